"""Red cells binned by how they failed, so that forty failures of one kind are read once. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from compatmatrix.report.addresses import (
    anchor,
    cause_anchor,
    cause_key,
    cell_link,
    detail_file,
    known_anchor,
    scenario_anchor,
)
from compatmatrix.report.beside import cell_file
from compatmatrix.report.display import OUTCOMES
from compatmatrix.report.lookup import Lookup, chips, news_chips
from compatmatrix.report.views import Cause, Cure, Hit, Known, Place
from compatmatrix.results import CellResult, News
from compatmatrix.text import clean, cut, one_line

FRAMES = 4
PLACES = 16
"""Scenarios listed for one cause; the others are counted."""

LINES = 12
"""Last lines of one sample traceback in the page; the whole is in the details of its cell."""

TRACEBACK = 2_000
"""Characters of these lines."""

VERSIONS = 10
"""Versions named for one scenario or cause; the others are counted."""

TRACEBACKS = 40_000
"""Characters of all sample tracebacks together: the page must stay below a megabyte."""


def causes(look: Lookup) -> tuple[Cause, ...]:
    """Worst news first, then the causes that hurt most cells."""
    groups: dict[tuple[object, str], list[CellResult]] = {}
    for scenario in look.run.scenarios:
        for cell in scenario.cells:
            for version in look.versions:
                row = look.row(version, cell)
                if row.outcome.red:
                    groups.setdefault(cause_key(row), []).append(row)
    ordered = sorted(groups.values(), key=lambda rows: _rank(look, rows))
    room, found = TRACEBACKS, []
    for rows in ordered:
        cause = _cause(look, rows, room)
        room -= len(cause.traceback)
        found.append(cause)
    return tuple(found)


def _rank(look: Lookup, rows: Sequence[CellResult]) -> tuple[int, int, int, str]:
    kinds = list(News)
    worst = min(kinds.index(look.news(row.version, row.cell)) for row in rows)
    return worst, -len(rows), -rows[0].outcome.severity, cause_anchor(rows[0])


def _cause(look: Lookup, rows: Sequence[CellResult], room: int) -> Cause:
    first = rows[0]
    counts = Counter(row.version for row in rows)
    versions = [(version, counts[version]) for version in look.versions if version in counts]
    news = Counter(look.news(row.version, row.cell) for row in rows)
    sample = next((row for row in rows if row.failure and row.failure.traceback), first)
    failure = sample.failure
    text = _end(failure.traceback) if failure else ""
    notes = {look.known(row.version, row.cell) for row in rows} - {""}
    return Cause(
        anchor=cause_anchor(first),
        mark=OUTCOMES[first.outcome],
        title=one_line(first.signature or first.reason, 300) or "no reason recorded",
        count=len(rows),
        versions=tuple(versions[:VERSIONS]),
        more_versions=max(len(versions) - VERSIONS, 0),
        places=_places(look, rows),
        more_places=max(len({look.scenario_of[row.cell].id for row in rows}) - PLACES, 0),
        news=news_chips(news),
        known=known(look, min(notes), tuple(version for version, _ in versions)) if notes else None,
        step=one_line(failure.step or "", 80) if failure else "",
        where=_where(sample),
        traceback=text if len(text) <= room else "",
        sample=anchor(sample.cell, sample.version),
        sample_link=cell_link(look.scenario_of[sample.cell].id, sample.cell, sample.version),
        sample_file=cell_file(sample),
    )


def _places(look: Lookup, rows: Sequence[CellResult]) -> tuple[Place, ...]:
    groups: dict[str, dict[str, list[CellResult]]] = {}
    for row in rows:
        groups.setdefault(look.scenario_of[row.cell].id, {}).setdefault(row.version, []).append(row)
    return tuple(
        Place(
            scenario,
            detail_file(scenario),
            tuple(
                Hit(version, cell_link(scenario, hit[0].cell, version), len(hit))
                for version, hit in _in_order(look, hits)[:VERSIONS]
            ),
            max(len(hits) - VERSIONS, 0),
        )
        for scenario, hits in list(groups.items())[:PLACES]
    )


def _in_order(look: Lookup, hits: Mapping[str, list[CellResult]]) -> list[tuple[str, list[CellResult]]]:
    return [(version, hits[version]) for version in look.versions if version in hits]


def _end(traceback: str) -> str:
    """The last lines of a traceback: where it came from is in the details."""
    lines = clean(traceback).rstrip().splitlines()
    kept = lines[-LINES:] if len(lines) > LINES + 1 else lines
    return cut("\n".join([f"… {len(lines) - len(kept)} lines", *kept] if kept != lines else kept), TRACEBACK)


def _where(row: CellResult) -> str:
    """The innermost frames, the innermost last."""
    if row.failure is None:
        return ""
    frames = row.failure.frames[-FRAMES:]
    return one_line(" → ".join(f"{frame.module}.{frame.function}:{frame.line}" for frame in frames), 400)


def known(look: Lookup, issue: str, versions: Sequence[str]) -> Known:
    """A ledger entry, with what its cures did in the versions concerned."""
    note = look.ledger.get(issue)
    if note is None:
        return Known(
            issue, known_anchor(issue), issue, "This issue is not in the ledger that the report was made with.", (), ()
        )
    return Known(
        id=issue,
        anchor=known_anchor(issue),
        title=one_line(note.title, 200) or issue,
        cause=clean(note.cause, limit=1000),
        links=tuple(link for link in note.links if link.startswith("https://")),
        cures=tuple(_cure(look, cure, versions) for cure in note.cures),
    )


def _cure(look: Lookup, scenario: str, versions: Sequence[str]) -> Cure:
    tallies = {version: look.by_scenario.get((scenario, version)) for version in versions}
    seen = tuple((version, chips(tally)) for version, tally in tallies.items() if tally)
    return Cure(scenario, scenario_anchor(scenario) if seen else "", seen)
