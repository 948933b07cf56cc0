"""What a cell has to tell where it did not simply pass: exception, checks, warnings, known issue and cure. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from compatmatrix.report.addresses import cause_anchor, cell_anchor, cell_link, known_anchor
from compatmatrix.report.beside import cell_file
from compatmatrix.report.causes import known
from compatmatrix.report.display import OUTCOMES, line, number, passage, plural
from compatmatrix.report.lookup import Lookup
from compatmatrix.report.views import CheckView, CureCell, Finding, Known
from compatmatrix.results import CellResult, Outcome, Scenario, Variant
from compatmatrix.text import clean, one_line

CHECKS = 20
WARNINGS = 8
MESSAGE = 2_000
TRACEBACK = 20_000
"""How much of each stands in the page; all of it is in ``latest.json`` and, for red cells, in the cell's file."""

TRACEBACKS = 400_000
"""Characters of all tracebacks of one scenario; what does not fit is in the cells' files only."""


class Tracebacks:
    """The tracebacks of one page: each stands there once, and all together are bounded."""

    def __init__(self, scenario: str) -> None:
        self._scenario = scenario
        self._room = TRACEBACKS
        self._cells: dict[str, str] = {}

    def place(self, row: CellResult) -> tuple[str, str]:
        """The traceback to show for a result, or else the element of the cell that shows the same one already."""
        text = passage(row.failure.traceback, TRACEBACK).rstrip() if row.failure else ""
        if not text or text in self._cells:
            return "", self._cells.get(text, "")
        if len(text) > self._room:
            return "", ""
        self._room -= len(text)
        self._cells[text] = cell_anchor(self._scenario, row.cell)
        return text, ""


def known_issues(look: Lookup, scenario: Scenario) -> tuple[Known, ...]:
    """The known issues that explain cells of a scenario, in the order in which they appear."""
    found: dict[str, dict[str, None]] = {}
    for cell in scenario.cells:
        for version in look.versions:
            if issue := look.known(version, cell):
                found.setdefault(issue, {})[version] = None
    return tuple(
        known(look, issue, [version for version in look.versions if version in seen]) for issue, seen in found.items()
    )


def findings(look: Lookup, rows: Sequence[CellResult], tracebacks: Tracebacks) -> tuple[Finding, ...]:
    """What each version has to tell of a cell, told once where several tell the same."""
    groups: dict[str, list[CellResult]] = {}
    for row in rows:
        if row.outcome is Outcome.ENV_FAIL or (row.outcome is Outcome.PASS and not row.flaky):
            continue  # the column tells why there is no environment; a pass has nothing more to tell
        groups.setdefault(_story(look, row), []).append(row)
    return tuple(_finding(look, group, tracebacks) for group in groups.values())


def _story(look: Lookup, row: CellResult) -> str:
    """Equal for rows that tell the same; times, log and traceback do not count."""
    failure = row.failure
    told = (failure.type, failure.message, failure.step) if failure else None
    failing = [repr(check) for check in row.checks if not check.holds]
    facts = (row.outcome.value, row.reason, told, failing, row.warnings, look.known(row.version, row.cell))
    return json.dumps(facts, default=str)


def _finding(look: Lookup, rows: Sequence[CellResult], tracebacks: Tracebacks) -> Finding:
    row = rows[0]
    failure = row.failure
    failing = [check for check in row.checks if not check.holds]
    traceback, traceback_in = tracebacks.place(row)
    issue = look.known(row.version, row.cell)
    reason, message = line(row.reason, 400), clean(failure.message, limit=MESSAGE) if failure else ""
    return Finding(
        versions=tuple((each.version, cell_file(each)) for each in rows),
        mark=OUTCOMES[row.outcome],
        reason="" if failure and line(message, 80)[:60] in reason else reason,
        exception=one_line(failure.type.removeprefix("builtins."), 120) if failure else "",
        message=message,
        traceback=traceback,
        traceback_in=traceback_in,
        checks=tuple(
            CheckView(one_line(check.name, 120), number(check.measured), number(check.limit), one_line(check.detail))
            for check in failing[:CHECKS]
        ),
        more_checks=max(len(failing) - CHECKS, 0),
        warnings=_warnings(row),
        cause=cause_anchor(row) if row.outcome.red else "",
        known=issue,
        known_anchor=known_anchor(issue) if issue else "",
        cures=tuple(_cures(look, rows, issue)) if issue else (),
    )


def _warnings(row: CellResult) -> tuple[str, ...]:
    shown = [line(warning, 200) for warning in row.warnings[:WARNINGS]]
    more = len(row.warnings) - len(shown)
    return (*shown, f"… and {plural(more, 'more warning')}") if more else tuple(shown)


# -- cures


def _cures(look: Lookup, rows: Sequence[CellResult], issue: str) -> Iterator[CureCell]:
    """For each cure of a known issue, what its most similar cell did in these versions."""
    note = look.ledger.get(issue)
    for id in note.cures if note else ():
        scenario = look.scenarios.get(id)
        if scenario is None or not scenario.variants:
            continue
        own = look.variant_of[rows[0].cell]
        variant = max(scenario.variants, key=lambda each: _likeness(own, each))
        cell = scenario.id + variant.label
        seen = [(row.version, look.row(row.version, cell).outcome) for row in rows]
        yield CureCell(
            cell=cell,
            same=variant.label == own.label,
            seen=tuple((version, OUTCOMES[outcome], cell_link(id, cell, version)) for version, outcome in seen),
        )


def _likeness(one: Variant, other: Variant) -> tuple[bool, int, int]:
    """How alike two variants are: the same label, then shared values of parameters, then few of its own."""
    shared = sum(1 for value in one.params.values() if value in other.params.values())
    return one.label == other.label, shared, -len(other.params)
