"""What is made of stored results: the report and its news, the published tables, and runs read back.

Beside :mod:`compatmatrix.pipeline`, because columns need nothing of it, and importing it takes as long as all else that
they import.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

from compatmatrix import archive, assemble, compare, loading
from compatmatrix.errors import Exit, StorageError
from compatmatrix.forked import forked
from compatmatrix.history import snapshot
from compatmatrix.locks import alone
from compatmatrix.pipeline import Job
from compatmatrix.report import claims_page, context, markdown, render, terminal
from compatmatrix.report.exports import Published
from compatmatrix.report.views import LedgerNote
from compatmatrix.store import Store


def report(job: Job, *, now: datetime.datetime, echo: Callable[[str], None]) -> Exit:
    """Assemble what is stored into a run, judge its news, render it, and say so in the terminal.

    Two at once would compare with, and write, one another's files: the second waits.
    """
    with alone(job.settings.state / "report.lock", lambda: echo("waiting for another report to be written")):
        return _report(job, now, echo)


def _report(job: Job, now: datetime.datetime, echo: Callable[[str], None]) -> Exit:
    before = archive.read_run(job.baseline)
    history, trouble = archive.read(job.baseline.parent)
    if trouble:
        echo(trouble)
    seen_before = snapshot(before) if before else None
    if seen_before:
        history = history.and_also(seen_before)
    with Store(job.settings.store) as store:
        columns = assemble.current(job.plan, store.columns())
        stored = store.get(assemble.keys(job.plan, columns).values())
    run = assemble.assemble(job.plan, columns, stored, now=now)
    run = compare.news(run, before, job.ledger, history)
    notes = {
        issue.id: LedgerNote(id=issue.id, title=issue.title, cause=issue.cause, links=issue.links, cures=issue.cures)
        for issue in job.ledger.issues
    }
    kept, policy = snapshot(run), job.plan.matrix.policy
    history = history.and_also(kept)
    published = None if job.selected else Published(site=policy.site, overdue_after=policy.overdue_after_days)
    overdue_after = published.overdue_after if published else None
    with forked(lambda: render.companions(run, history, published)) as rest:
        unmatched = job.ledger.unmatched(run.results, run.columns)
        page = context.build(run, before=before, ledger=notes, history=history, overdue_after=overdue_after)
        written = render.write(run, job.output, history=history, published=published, page=page, rest=rest)
    if published:
        archive.append(job.output, kept, seen_before)
    terminal.show(run, written, page=page)
    status = compare.exit_status(run, unmatched)
    for issue in unmatched:
        echo(f"known issue {issue.id}: nothing matches it any more; look again, and close it if it is gone")
    if status:
        echo(f"exit status {int(status)}: {_MEANING[status]}")
    return status


def readme(file: Path, run_file: Path) -> None:
    """Replace the table in a document by that of a published run."""
    run = archive.read_run(run_file)
    if run is None:
        raise StorageError(f"{run_file}: there is no such file", hint="run the matrix first")
    try:
        text = markdown.insert(file.read_text(encoding="utf-8"), context.build(run))
    except (OSError, ValueError) as error:
        raise StorageError(f"{file}: {error}") from error
    file.write_text(text, encoding="utf-8")


def claims(claims_file: Path, run_file: Path) -> str:
    """The page of published claims, judged by a run."""
    told = loading.load_claims(claims_file)
    run = archive.read_run(run_file)
    if run is None:
        raise StorageError(f"{run_file}: there is no such file", hint="run the matrix first")
    return claims_page.page(told, run)


_MEANING = {
    Exit.REGRESSED: "a cell became worse, or is red and no known issue explains it",
    Exit.NEWS: "a cell was fixed or behaves differently, or a known issue matches nothing",
    Exit.INFRASTRUCTURE: "a column has no environment, or cells were not run",
}
