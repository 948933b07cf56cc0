"""The stages that the commands about many releases are made of: list releases, run what is missing, say what flips."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compatmatrix import flips, loading, pipeline, releases, repeats, sweep_sheet
from compatmatrix.errors import Exit
from compatmatrix.flips import Belief, Change, Flip, Seen, Sheet
from compatmatrix.local import Local, Work
from compatmatrix.locks import alone
from compatmatrix.pipeline import Job
from compatmatrix.releases import Release
from compatmatrix.repeats import REPETITIONS, Repeating
from compatmatrix.sources import PACKAGE
from compatmatrix.store import Store
from compatmatrix.sweep import Echo, Executor, Sweep


@dataclass(frozen=True, kw_only=True)
class Series:
    """Releases in a specifier, the matrix that they make as a job, and what the process of a column is given.

    ``cells`` are the globs of the command line.
    """

    specifier: str
    releases: tuple[Release, ...]
    job: Job
    arguments: tuple[str, ...]
    cells: tuple[str, ...] = ()

    @property
    def repeats_file(self) -> Path:
        return self.job.settings.state / "sweep" / "repeats.json"


def load(
    specifier: str,
    *,
    environ: Mapping[str, str],
    prereleases: bool = False,
    latest_of_minor: bool = False,
    **given: Any,
) -> Series:
    """The releases that the index has in a specifier, as a job; ``given`` is what :func:`pipeline.load` takes."""
    matrix = loading.load_matrix(given["matrix_file"])
    found = releases.find(PACKAGE, specifier, environ=environ, prereleases=prereleases)
    found = releases.latest_of_minor(found) if latest_of_minor else found
    text = sweep_sheet.matrix_text(sweep_sheet.matrix_of(matrix, found))
    file = given["state"].resolve() / "sweep" / f"matrix-{hashlib.sha256(text.encode()).hexdigest()[:12]}.json"
    repeats.write(file, text)
    job = pipeline.load(**{**given, "matrix_file": file})
    settings = job.settings
    arguments = [f"--matrix={file}", f"--state={settings.state}", f"--isolation={settings.isolation}"]
    arguments += [f"--jobs={settings.jobs}"] if settings.jobs else []
    arguments += [f"--scenarios={root}" for root in settings.scenario_roots]
    return Series(specifier=specifier, releases=found, job=job, arguments=tuple(arguments), cells=tuple(given["cells"]))


def sweep(series: Series, executor: Executor, echo: Echo) -> tuple[Sheet, Exit]:
    """Run what the store does not know, column by column; the sheet of everything that is known then."""
    job = series.job
    with Store(job.settings.store) as store:
        todo = sweep_sheet.missing(job.plan, store, elsewhere=executor.elsewhere)
        every = [version.id for version in job.plan.versions]
        chosen = every if job.settings.fresh else [id for id in every if id in todo]
        echo(
            f"{len(every)} releases from {every[0]} to {every[-1]}, {len(job.plan.cells)} cells each: "
            f"{len(chosen)} columns to run, {len(every) - len(chosen)} known; {executor}"
        )
        Sweep(job.plan, job.settings, executor, echo).run(dict.fromkeys(chosen, series.cells))
        sheet = sweep_sheet.sheet(job.plan, series.releases, series.specifier, store)
    for line in sweep_sheet.summary(sheet, len(chosen)):
        echo(line)
    return sheet, Exit.OK if sweep_sheet.complete(sheet) else Exit.INFRASTRUCTURE


def known(series: Series) -> Sheet:
    """The sheet of what is stored, without running anything."""
    with Store(series.job.settings.store) as store:
        return sweep_sheet.sheet(series.job.plan, series.releases, series.specifier, store)


def all_flips(series: Series, sheet: Sheet) -> tuple[Flip, ...]:
    """The flips of a sheet, with what repeating them said."""
    return flips.flips(sheet, repeats.read(series.repeats_file))


def confirm(
    series: Series, sheet: Sheet, work: Work, echo: Echo, changes: Collection[Change] = tuple(Change)
) -> tuple[Flip, ...]:
    """Run both sides of every flip that was seen once three times more, and keep what came out.

    Only flips of the kinds in ``changes``. Raises :class:`InfrastructureError` where a release resolves to other
    packages than when it was swept, or a process did not end well: what is measured then confirms nothing.
    """
    job = series.job
    sides: dict[str, dict[str, Seen]] = {}
    for flip in all_flips(series, sheet):
        if flip.belief is Belief.SEEN and flip.change in changes:
            for index in (flip.before, flip.after):
                sides.setdefault(sheet.versions[index], {})[flip.cell] = sheet.cells[flip.cell][index]
    if sides:
        cells = sum(map(len, sides.values()))
        echo(f"repeating {cells} cells in {len(sides)} columns, {REPETITIONS} times")
        again = Work(**{**vars(work), "arguments": (*work.arguments, "--fresh")})
        local = Local(job.settings, again, echo)
        repeating = Repeating(job.plan, job.settings, sides, local, series.repeats_file)
        Sweep(job.plan, job.settings, repeating, echo).run({version: sorted(some) for version, some in sides.items()})
        repeating.verify()
    return all_flips(series, sheet)


def flip_lines(sheet: Sheet, found: Iterable[Flip]) -> list[str]:
    """Flips for a terminal: a heading for each boundary, a line for each scenario and kind of change below it."""
    told = []
    for boundary in flips.boundaries(sheet, found):
        unknown = f", not measured between: {', '.join(boundary.between)}" if boundary.between else ""
        told.append(f"{boundary.before} → {boundary.after}{unknown}")
        for each in boundary.changed:
            labels = " ".join(cell.removeprefix(each.scenario) for cell in each.cells[:3]).strip()
            more = f" and {len(each.cells) - 3} more" if len(each.cells) > 3 else ""
            change = each.change.value
            if each.change is not Change.BEHAVIOUR:
                change = f"{each.old.value} → {each.new.value}"
            told.append(f"  {f'{each.scenario} {labels}{more}'.strip()}: {change} ({each.belief.value})")
    return told


def atlas(series: Series, sheet: Sheet, output: Path | None, *, now: datetime.datetime) -> Path:
    """Render the atlas of a sheet, and the path of its page; a selection never replaces what is published."""
    # Not at the top: pandas takes half a second that the processes of columns need not pay.
    from compatmatrix.report import atlas_page

    found = all_flips(series, sheet)
    state = series.job.settings.state
    with alone(state / "report.lock", lambda: None):
        return atlas_page.write(sheet, found, output or state / "atlas", now=now)
