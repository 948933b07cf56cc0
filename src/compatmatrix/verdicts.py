"""What a run says of each published claim, column by column: the judgement over :mod:`compatmatrix.claims`. Pure.

Cells that a column could not answer (unsupported, skipped, without an environment) prove nothing in either
direction.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.version import Version

from compatmatrix.claims import (
    Answer,
    Apart,
    Breaks,
    Claim,
    Condition,
    Cures,
    Fails,
    Fixed,
    Harm,
    Keeps,
    Number,
    Ratio,
    Silent,
    Untested,
    globs_of,
)
from compatmatrix.ledger import matches
from compatmatrix.results import CellResult, Check, Column, Outcome, Run


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What one condition comes to in one column. ``said`` is untrusted text of the cells."""

    answer: Answer
    why: str
    cells: tuple[str, ...] = ()
    said: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a claim comes to in one column."""

    answer: Answer
    findings: tuple[Finding, ...]


def judge(claim: Claim, run: Run) -> dict[str, Verdict]:
    """The answer of every column of a run, by its version."""
    return {column.version: _verdict(claim, run, column) for column in run.columns}


def _verdict(claim: Claim, run: Run, column: Column) -> Verdict:
    findings = tuple(_find(condition, run, column) for condition in claim.judged)
    answers = {finding.answer for finding in findings}
    order = (Answer.DOES_NOT_HOLD, Answer.CANNOT_BE_TESTED, Answer.HOLDS)
    return Verdict(answer=next(answer for answer in order if answer in answers), findings=findings)


def harmed(harm: Harm, run: Run, column: Column) -> tuple[list[CellResult], int]:
    """The cells that are wrong by following advice, and how many were tested; none where others go wrong too."""
    followed = _tested(cells(run, column, harm.cells))
    without = _tested(cells(run, column, harm.without))
    spoilt = any(row.outcome.red for row in without) or not without
    return ([] if spoilt else [row for row in followed if row.outcome is Outcome.WRONG]), len(followed)


def values(number: Number, run: Run, column: Column) -> list[float | str]:
    """Everything that a number's cells measured in a column, in the order of the run."""
    rows = cells(run, column, number.cells)
    if number.check is not None:
        return [check.measured for row in rows for check in _checks(row, (number.check,))]
    if number.fact is not None:
        found = [_fact(row, number.fact) for row in rows]
        return [value for value in found if isinstance(value, (float, int, str))]
    tested = _tested(rows)
    passed = sum(row.outcome is Outcome.PASS for row in tested)
    return [f"{passed} of {len(tested)}"] if tested else []


def cells(run: Run, column: Column, globs: Sequence[str]) -> list[CellResult]:
    """The rows of one column that the globs mean."""
    return [row for row in run.results if row.version == column.version and _any(row.cell, globs)]


def _find(condition: Condition, run: Run, column: Column) -> Finding:
    if isinstance(condition, Untested):
        return Finding(answer=Answer.CANNOT_BE_TESTED, why=condition.untested)
    if isinstance(condition, Cures):
        return _cures(condition, run, column)
    rows = cells(run, column, globs_of(condition))
    tested = _tested(rows)
    if not tested:
        return _nothing(rows)
    if isinstance(condition, Apart):
        return _apart(condition.apart, rows)
    if isinstance(condition, Fails):
        return _fails(condition.signature, tested)
    if isinstance(condition, Silent):
        wrong = [row for row in tested if row.outcome is Outcome.WRONG]
        return _some(wrong, tested, "load and answer, wrongly", "no cell answers wrongly")
    if isinstance(condition, Fixed):
        return _fixed(condition, tested, run, column)
    if isinstance(condition, (Keeps, Breaks)):
        return _checked(condition, rows)
    if isinstance(condition, Ratio):
        return _ratio(condition, rows)
    return _works(tested)


def _works(tested: Sequence[CellResult]) -> Finding:
    red = [row for row in tested if row.outcome.red]
    if red:
        return _finding(Answer.DOES_NOT_HOLD, _count(red, tested, "do not pass"), red)
    return _finding(Answer.HOLDS, _count(tested, tested, "pass"), tested, said=False)


def _fails(signature: Sequence[str], tested: Sequence[CellResult]) -> Finding:
    raised = [row for row in tested if _red_as(row, signature)]
    if raised:
        return _finding(Answer.HOLDS, _count(raised, tested, "raise it"), raised)
    red = [row for row in tested if row.outcome.red]
    if red:
        return _finding(Answer.DOES_NOT_HOLD, _count(red, tested, "do not pass, but none in that way"), red)
    return _finding(Answer.DOES_NOT_HOLD, _count(tested, tested, "pass"), tested, said=False)


def _some(found: Sequence[CellResult], tested: Sequence[CellResult], does: str, none: str) -> Finding:
    if found:
        return _finding(Answer.HOLDS, _count(found, tested, does), found)
    return _finding(Answer.DOES_NOT_HOLD, none, tested)


def _fixed(condition: Fixed, tested: Sequence[CellResult], run: Run, column: Column) -> Finding:
    finding = _works(tested)
    if finding.answer is not Answer.HOLDS:
        return finding
    earlier = [other for other in run.columns if other.transformers and _before(other, column)]
    if any(_red_as(row, condition.signature) for other in earlier for row in cells(run, other, condition.fixed)):
        return _finding(Answer.HOLDS, f"{finding.why}; an earlier version fails as reported", tested, said=False)
    why = f"{finding.why}, but no earlier version here fails as reported: there is nothing to see fixed"
    return _finding(Answer.CANNOT_BE_TESTED, why, tested, said=False)


def _before(one: Column, other: Column) -> bool:
    return bool(other.transformers) and Version(one.transformers) < Version(other.transformers)


def _apart(groups: Sequence[str], rows: Sequence[CellResult]) -> Finding:
    # Here "unsupported" counts: what a version does not know needs another environment.
    answered = [row for row in rows if row.outcome.answered]
    by_group = [[row for row in answered if _any(row.cell, [group])] for group in groups]
    serves = [group for group in by_group if group and all(row.outcome is Outcome.PASS for row in group)]
    why = f"this one environment serves {len(serves)} of {len(groups)}"
    if len(serves) > 1:
        return _finding(Answer.DOES_NOT_HOLD, why, [row for group in serves for row in group])
    return _finding(Answer.HOLDS, why, [row for row in answered if row.outcome is not Outcome.PASS])


def _checked(condition: Keeps | Breaks, rows: Sequence[CellResult]) -> Finding:
    reached = [row for row in rows if _checks(row, condition.checks)]
    if not reached:
        return _finding(Answer.CANNOT_BE_TESTED, "no cell came as far as to measure it", rows)
    broken = [row for row in reached if not all(check.holds for check in _checks(row, condition.checks))]
    if isinstance(condition, Breaks):
        named = ", ".join(condition.checks)
        return _some(broken, reached, f"break the check {named}", f"the check {named} holds in every cell")
    if broken:
        return _finding(Answer.DOES_NOT_HOLD, _count(broken, reached, "that measure it differ"), broken)
    return _finding(Answer.HOLDS, _count(reached, reached, "that measure it agree"), reached, said=False)


def _cures(condition: Cures, run: Run, column: Column) -> Finding:
    cures = {_label(row): row for row in cells(run, column, [condition.cures]) if _is(row, condition.cures)}
    rows = [row for row in cells(run, column, [condition.failing]) if _is(row, condition.failing)]
    failing = [row for row in rows if _red_as(row, condition.signature)]
    pairs = [cures[_label(row)] for row in failing if _label(row) in cures]
    tested = _tested(pairs)
    if not tested:
        if _tested(rows) and not failing:
            return _finding(Answer.CANNOT_BE_TESTED, "nothing fails in that way here: there is nothing to cure", rows)
        return _nothing(pairs or rows)
    still = [row for row in tested if row.outcome.red]
    where = "where it is said to help"
    if still:
        return _finding(Answer.DOES_NOT_HOLD, _count(still, tested, f"do not pass {where}"), still)
    return _finding(Answer.HOLDS, _count(tested, tested, f"pass {where}"), tested, said=False)


def _ratio(condition: Ratio, rows: Sequence[CellResult]) -> Finding:
    shares: list[tuple[CellResult, float]] = []
    for row in rows:
        part, whole = (_fact(row, f"{condition.fact}.{name}") for name in (condition.of, condition.to))
        if isinstance(part, (int, float)) and isinstance(whole, (int, float)) and whole:
            shares.append((row, part / whole))
    if not shares:
        return _finding(Answer.CANNOT_BE_TESTED, "no cell came as far as to measure it", rows)
    over = [row for row, share in shares if not share <= condition.at_most]
    largest = max(share for _, share in shares)
    measured = [row for row, _ in shares]
    answer = Answer.DOES_NOT_HOLD if over else Answer.HOLDS
    why = f"{condition.of} / {condition.to} is at most {largest:.3g} in {_cells(len(measured))}"
    return _finding(answer, why, over or measured, said=False)


def _nothing(rows: Sequence[CellResult]) -> Finding:
    if not rows:
        return Finding(answer=Answer.CANNOT_BE_TESTED, why="this run has no such cells")
    kinds = sorted({row.outcome.value for row in rows})
    return _finding(Answer.CANNOT_BE_TESTED, f"{_cells(len(rows))}: {', '.join(kinds)}", rows)


def _finding(answer: Answer, why: str, rows: Sequence[CellResult], *, said: bool = True) -> Finding:
    spoken = dict.fromkeys(_says(row) for row in rows if row.outcome is not Outcome.PASS) if said else {}
    return Finding(answer=answer, why=why, cells=tuple(row.cell for row in rows), said=tuple(filter(None, spoken)))


def _count(some: Sequence[CellResult], of: Sequence[CellResult], does: str) -> str:
    return f"{len(some)} of {len(of)} cells {does}"


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


def _tested(rows: Iterable[CellResult]) -> list[CellResult]:
    return [row for row in rows if row.outcome.red or row.outcome is Outcome.PASS]


def _checks(row: CellResult, globs: Sequence[str]) -> list[Check]:
    return [check for check in row.checks if any(_like(check.name, glob) for glob in globs)]


def _fact(row: CellResult, path: str) -> Any:
    found: Any = row.fingerprint
    for part in path.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return None if isinstance(found, bool) or (isinstance(found, float) and math.isnan(found)) else found


def _red_as(row: CellResult, signature: Sequence[str]) -> bool:
    return row.outcome.red and any(_like(_says(row), glob) for glob in signature)


def _says(row: CellResult) -> str:
    return row.signature or row.reason


def _label(row: CellResult) -> str:
    return row.cell.partition("[")[2]


def _is(row: CellResult, scenario: str) -> bool:
    return row.cell.partition("[")[0] == scenario


def _any(cell: str, globs: Sequence[str]) -> bool:
    return any(matches(cell, glob) for glob in globs)


def _like(text: str, glob: str) -> bool:
    # As in the ledger: brackets belong to messages and are never character classes.
    return fnmatch.fnmatchcase(text, glob.replace("[", "[[]"))
