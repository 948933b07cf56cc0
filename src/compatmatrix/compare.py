"""Run against run, column by column: what is news. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from compatmatrix.errors import Exit
from compatmatrix.history import History, Seen, seen
from compatmatrix.ledger import Issue, Ledger
from compatmatrix.results import CellResult, Column, News, Outcome, Run


def judge(
    result: CellResult,
    column: Column,
    before: CellResult | Seen | None,
    ledger: Ledger,
    *,
    was_better: bool = False,
    rewritten: bool = False,
) -> tuple[News, Issue | None]:
    """What is news about one cell, and the known issue that explains it, if one does.

    A red cell is known, regressed (it was better before: in the last run, or in an earlier one where
    ``was_better`` says so) or new (it was never seen better). A known issue explains an outcome, not everything
    that may happen beside it: a known red cell that ended in another way than the last time, for another cause
    or with another fingerprint, has changed, and keeps its issue. Where the scenario was ``rewritten`` since, only
    outcomes can be compared: another fingerprint is then the scenario's doing. Only a pass is a fix. Infrastructure
    and missing hardware are never a version's news, neither now nor as what came before.
    """
    if before is not None and not before.outcome.answered:
        before = None
    if not result.outcome.answered:
        return News.NONE, None
    if result.outcome.red:
        issue = ledger.explanation(result, column)
        if issue is not None:
            otherwise = before is not None and before.outcome.red and _differs(before, result, rewritten)
            return (News.CHANGED if otherwise else News.KNOWN), issue
        worse = was_better or (before is not None and before.outcome.severity < result.outcome.severity)
        return (News.REGRESSED if worse else News.NEW), None
    if before is None:
        return News.NONE, None
    if before.outcome.red:
        return (News.FIXED if result.outcome is Outcome.PASS else News.CHANGED), None
    if before.outcome is not result.outcome:
        return (News.REGRESSED if before.outcome is Outcome.PASS else News.FIXED), None
    return (News.CHANGED if _differs(before, result, rewritten) else News.NONE), None


def _differs(before: CellResult | Seen, now: CellResult, rewritten: bool) -> bool:
    if rewritten:
        return before.outcome is not now.outcome
    if isinstance(before, Seen):
        return before.did != seen(now).did
    return not _is_the_same(before, now) and _did(before) != _did(now)


def _is_the_same(before: CellResult, now: CellResult) -> bool:
    """Whether both are one measurement, which differs in nothing: most of the cells of a run that is repeated."""
    return bool(now.key and now.measured_at) and (before.key, before.measured_at) == (now.key, now.measured_at)


def _did(row: CellResult) -> tuple[Outcome, str | None, str]:
    return row.outcome, row.signature, row.fingerprint_digest


def news(run: Run, before: Run | None, ledger: Ledger, history: History | None = None) -> Run:
    """The run with its news, judged against the ledger, the last run and the runs before it.

    Where the last run had no answer for a cell (no environment, not run, skipped), it is compared with the last run
    that had one: a gap swallows no news. What once was better and is red, unexplained, stays a regression in every
    later run, not only in the first.
    """
    columns = {column.version: column for column in run.columns}
    earlier = {(row.version, row.cell): row for row in before.results} if before else {}
    rewritten = _rewritten(run, before)
    found: dict[str, dict[str, News]] = {}
    known: dict[str, dict[str, str]] = {}
    for row in run.results:
        key = row.version, row.cell
        was_better = history is not None and row.outcome.red and history.was_better(*key)
        last: CellResult | Seen | None = earlier.get(key)
        if history is not None and row.outcome.answered and (last is None or not last.outcome.answered):
            last = history.last_answered(*key)
        verdict, issue = judge(
            row,
            columns[row.version],
            last,
            ledger,
            was_better=was_better,
            rewritten=row.cell.partition("[")[0] in rewritten,
        )
        if verdict is not News.NONE:
            found.setdefault(row.version, {})[row.cell] = verdict
        if issue is not None:
            known.setdefault(row.version, {})[row.cell] = issue.id
    compared = before.id if before else None
    return run.model_copy(update={"news": found, "known": known, "compared_with": compared})


def _rewritten(run: Run, before: Run | None) -> set[str]:
    """The scenarios whose source is not what it was in the run before."""
    sources = {scenario.id: scenario.source_hash for scenario in before.scenarios} if before else {}
    return {each.id for each in run.scenarios if sources.get(each.id, each.source_hash) != each.source_hash}


def exit_status(run: Run, unmatched: Iterable[Issue] = ()) -> Exit:
    """The exit status of a run: decided by news and by infrastructure, never by red alone."""
    kinds = {kind for cells in run.news.values() for kind in cells.values()}
    if kinds & {News.REGRESSED, News.NEW}:
        return Exit.REGRESSED
    outcomes = {row.outcome for row in run.results}
    if outcomes & {Outcome.ENV_FAIL, Outcome.NOT_RUN} or any(not column.ready for column in run.columns):
        return Exit.INFRASTRUCTURE
    if any(kind.worth_telling for kind in kinds) or list(unmatched):
        return Exit.NEWS
    return Exit.OK
