"""``nox -s matrix`` a second time, with nothing changed, against the run that measured everything."""

from __future__ import annotations

from benchmarks import figures
from benchmarks.bench import Bench, tell
from benchmarks.page import goal, percent, seconds, table
from benchmarks.usage import Usage
from compatmatrix.results import CellResult, Run
from compatmatrix.store import Store

SHARE = 0.02


def section(bench: Bench) -> str:
    """The section, as Markdown."""
    whole = len(bench.sample) == len(bench.every)
    sampled = None if whole else (bench.cold, best(bench, bench.sample))
    first, added = bench.everything, 0
    if first is None:
        more = (len(bench.every) - len(bench.sample)) * len(bench.versions)
        first = Usage(
            wall=figures.whole(bench.cold.wall, more, bench.each.wall),
            processor=figures.whole(bench.cold.processor, more, bench.each.processor),
        )
        added = stand_ins(bench)
    return text(bench, sampled, (first, best(bench, ())), added)


def best(bench: Bench, cells: tuple[str, ...]) -> Usage:
    """The cheaper of two unchanged runs."""
    tell(f"nox -s matrix, unchanged, {len(cells) or len(bench.every)} cells in each column")
    return min((bench.nox("matrix", cells) for _ in range(2)), key=lambda used: used.processor)


def stand_ins(bench: Bench) -> int:
    """Put results of the sample in the place of cells that were not run, so that every cell is known; how many.

    What a re-run costs depends on how many results there are and how large they are, not on what they say.
    """
    run = Run.from_json((bench.report / "latest.json").read_bytes())
    by_column: dict[str, list[CellResult]] = {}
    for row in run.results:
        by_column.setdefault(row.version, []).append(row)
    added = 0
    with Store(bench.job.settings.store) as store:
        for version, column in store.columns().items():
            rows, keys = by_column[version], {cell.id: bench.job.plan.key(column, cell) for cell in bench.every}
            known = store.known(keys.values())
            like = {row.cell.partition("[")[0]: row for row in rows}
            for index, (id, key) in enumerate(keys.items()):
                if key not in known:
                    row = like.get(id.partition("[")[0], rows[index % len(rows)])
                    store.put(row.model_copy(update={"cell": id, "key": key}))
                    added += 1
    return added


def text(bench: Bench, sampled: tuple[Usage, Usage] | None, every: tuple[Usage, Usage], added: int) -> str:
    """The table and the goal; each pair is the first run and the unchanged one."""
    estimated = "measured" if bench.everything else "first run *estimated*"
    rows = [row(f"the sample, {len(bench.sample)} cells in each column", *sampled)] if sampled else []
    rows += [
        row(f"**all {len(bench.every)} cells in each column**, {estimated}", *every),
    ]
    head = ["what", "first, wall", "again, wall", "share", "first, processor", "again, processor", "share"]
    first, again = every
    share = again.wall / first.wall
    reached = goal(
        f"an unchanged run under {percent(SHARE)} of a full one",
        met=share < SHARE,
        found=f"{percent(share)} in wall-clock time, {percent(again.processor / first.processor)} in processor time",
        why=f"{seconds(again.wall)} where {seconds(SHARE * first.wall)} were wanted. Each column is a session that "
        "starts and resolves anew, so that a changed index is seen; and the report is rendered anew, because it tells "
        "when it was made and how old each result is.",
    )
    how = (
        ""
        if not added
        else f"""
The first run of all cells is estimated as above. For the unchanged one {added:,} cells that were not run were given
the results of others, each of its own scenario where there is one: every cell is known, and the run is a real one.
"""
    )
    return f"""\
`nox -s matrix` once more, with nothing changed: it reads the scenarios, resolves every column, finds each result in
the store, and renders the report.

{table(head, rows)}
{how}
{reached}"""


def row(what: str, first: Usage, again: Usage) -> list[str]:
    """One line: both runs, and the second as a share of the first."""
    wall = [seconds(first.wall), seconds(again.wall), percent(again.wall / first.wall)]
    return [what, *wall, seconds(first.processor), seconds(again.processor), percent(again.processor / first.processor)]
