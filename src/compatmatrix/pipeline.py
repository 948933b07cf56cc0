"""The stages that the commands are made of: load, run a column, report. Each calls only what stands above it."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from compatmatrix import archive, assemble, compare, loading, plan, reading, remembered, roots, runner
from compatmatrix.errors import Exit, StorageError
from compatmatrix.history import snapshot
from compatmatrix.ledger import Ledger
from compatmatrix.locks import alone
from compatmatrix.matrix import Companion
from compatmatrix.results import Run
from compatmatrix.settings import Settings
from compatmatrix.store import Store
from compatmatrix.wholeness import forget_byte_code, stamps

PUBLISHED = Path("reports")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a command was asked to do, loaded and checked."""

    plan: plan.Plan
    ledger: Ledger
    settings: Settings
    selected: bool
    output: Path
    baseline: Path


def load(
    *,
    matrix_file: Path,
    scenario_roots: Sequence[Path] = (),
    versions: str = "",
    cells: Sequence[str] = (),
    globs: Sequence[str] = (),
    state: Path = Path(".compatmatrix"),
    fresh: bool = False,
    isolation: str = "fork",
    jobs: int = 1,
    output: Path | None = None,
    baseline: Path | None = None,
    ledger_file: Path | None = None,
) -> Job:
    """Read everything that the user wrote; raises an :class:`InputError` before anything runs.

    ``jobs`` cells run at once, over all columns. ``scenario_roots`` is what ``--scenarios`` names: files and
    directories beside the shipped scenarios.
    """
    matrix = loading.load_matrix(matrix_file)
    where = roots.gather(scenario_roots, state)
    ledger = loading.load_yaml(ledger_file, Ledger) if ledger_file else loading.load_ledgers(where)
    settings = Settings(
        root=matrix_file.resolve().parent,
        state=state.resolve(),
        scenario_roots=where,
        isolation=isolation,
        fresh=fresh,
        jobs=jobs,
        environ=dict(os.environ),
    )
    # Before they are read: what is written from here on is found out.
    settings = replace(settings, sources=stamps(settings.source_roots))
    forget_byte_code(settings.source_roots)
    scenarios, probe_hash = loading.discover(where)
    remembered.remember(state, (cell for scenario in scenarios for cell in scenario.cells))
    wanted = [version for version in versions.split(",") if version]
    patterns = [*cells, *globs]
    # Where only the first root can warm a process up, keys are what they were before there were further ones.
    warming = roots.warming(where)
    basis = json.dumps([probe_hash, loading.judge_hash(), isolation, *([warming] if warming else [])])
    machine = assemble.machine(loading.capabilities())
    chosen = plan.make(matrix, scenarios, basis, versions=wanted, cells=patterns, machine=machine)
    selected = bool(wanted or patterns)
    return Job(
        plan=chosen,
        ledger=ledger,
        settings=settings,
        selected=selected,
        output=output or (state / "selection" if selected else settings.root / PUBLISHED),
        baseline=baseline or settings.root / PUBLISHED / "latest.json",
    )


def run_column(job: Job, id: str, progress: Callable[[str], None]) -> Exit:
    """Run one column of the job; a version outside the selection is left alone."""
    plan.version(job.plan.matrix, id)
    version = next((version for version in job.plan.versions if version.id == id), None)
    if version is None:
        progress(f"{id}  not selected")
        return Exit.OK
    with Store(job.settings.store) as store:
        column = runner.run_column(job.plan, version, job.settings, store, progress)
    return Exit.OK if column.ready else Exit.INFRASTRUCTURE


def environment(job: Job, id: str, extra: Sequence[str], progress: Callable[[str], None]) -> Path:
    """The Python of a version's environment with further packages beside it; built where it is not there."""
    wanted = [Companion(package=name, requirement="", why="asked for on the command line") for name in extra]
    matrix = job.plan.matrix.model_copy(update={"companions": (*job.plan.matrix.companions, *wanted)})
    progress(f"{id}  building its environment")
    return runner.build(matrix, plan.version(matrix, id), job.settings).python


def report(job: Job, *, now: datetime.datetime, echo: Callable[[str], None]) -> Exit:
    """Assemble what is stored into a run, judge its news, render it, and say so in the terminal.

    Two at once would compare with, and write, one another's files: the second waits.
    """
    with alone(job.settings.state / "report.lock", lambda: echo("waiting for another report to be written")):
        return _report(job, now, echo)


def _report(job: Job, now: datetime.datetime, echo: Callable[[str], None]) -> Exit:
    # Not at the top: pandas takes half a second that columns need not pay.
    from compatmatrix.report import context, render, terminal
    from compatmatrix.report.exports import Published
    from compatmatrix.report.views import LedgerNote

    before = read_run(job.baseline)
    history, trouble = archive.read(job.baseline.parent)
    if trouble:
        echo(trouble)
    if before is not None:
        history = history.and_also(snapshot(before))
    with Store(job.settings.store) as store:
        columns = assemble.current(job.plan, store.columns())
        stored = store.get(assemble.keys(job.plan, columns).values())
    run = assemble.assemble(job.plan, columns, stored, now=now)
    run = compare.news(run, before, job.ledger, history)
    unmatched = job.ledger.unmatched(run.results, run.columns)
    notes = {
        issue.id: LedgerNote(id=issue.id, title=issue.title, cause=issue.cause, links=issue.links, cures=issue.cures)
        for issue in job.ledger.issues
    }
    kept, policy = snapshot(run), job.plan.matrix.policy
    history = history.and_also(kept)
    published = None if job.selected else Published(site=policy.site, overdue_after=policy.overdue_after_days)
    overdue_after = published.overdue_after if published else None
    page = context.build(run, before=before, ledger=notes, history=history, overdue_after=overdue_after)
    written = render.write(run, job.output, history=history, published=published, page=page)
    if published:
        archive.append(job.output, kept, snapshot(before) if before else None)
    terminal.show(run, written, page=page)
    status = compare.exit_status(run, unmatched)
    for issue in unmatched:
        echo(f"known issue {issue.id}: nothing matches it any more; look again, and close it if it is gone")
    if status:
        echo(f"exit status {int(status)}: {_MEANING[status]}")
    return status


def readme(file: Path, run_file: Path) -> None:
    """Replace the table in a document by that of a published run."""
    from compatmatrix.report import context, markdown

    run = read_run(run_file)
    if run is None:
        raise StorageError(f"{run_file}: there is no such file", hint="run the matrix first")
    try:
        text = markdown.insert(file.read_text(encoding="utf-8"), context.build(run))
    except (OSError, ValueError) as error:
        raise StorageError(f"{file}: {error}") from error
    file.write_text(text, encoding="utf-8")


def published_claims(job: Job) -> int:
    """Read the published claims beside the scenarios, if there are any, and count them."""
    file = job.settings.scenario_roots[0] / "claims.yaml"
    return sum(len(case.claims) for case in loading.load_claims(file).cases) if file.exists() else 0


def claims(claims_file: Path, run_file: Path) -> str:
    """The page of published claims, judged by a run."""
    from compatmatrix.report import claims_page

    told = loading.load_claims(claims_file)
    run = read_run(run_file)
    if run is None:
        raise StorageError(f"{run_file}: there is no such file", hint="run the matrix first")
    return claims_page.page(told, run)


_MEANING = {
    Exit.REGRESSED: "a cell became worse, or is red and no known issue explains it",
    Exit.NEWS: "a cell was fixed or behaves differently, or a known issue matches nothing",
    Exit.INFRASTRUCTURE: "a column has no environment, or cells were not run",
}


def read_run(
    path: Path, *, hint: str = "name another file by --baseline, or move it away to compare with nothing"
) -> Run | None:
    """A run that was published; None where there is no such file. Raises :class:`StorageError` for another file."""
    if not path.exists():
        return None
    try:
        return reading.run(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StorageError(
            f"{path}: not a run that this version of compatmatrix can read: {reading.why(error)}",
            hint=hint,
        ) from error
