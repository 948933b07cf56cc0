"""The cells of a scenario across all versions: what each did, told once where several did the same. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from compatmatrix.report.beside import cell_file
from compatmatrix.report.causes import known
from compatmatrix.report.display import OUTCOMES, duration, number, plural, share, size, value
from compatmatrix.report.frame import closest
from compatmatrix.report.lookup import Lookup, anchor, cause_anchor, known_anchor, repro
from compatmatrix.report.views import CheckView, Detail, DetailRow, Finding, Known
from compatmatrix.results import CellResult, Outcome, Scenario
from compatmatrix.text import clean, cut, one_line

CHECKS = 20
WARNINGS = 8
FACTS = 24
FACTS_ALONE = 10
WARNING = 300
MESSAGE = 2_000
TRACEBACK = 20_000
"""How much of each stands in the page; all of it is in ``latest.json`` and, for red cells, in the cell's file."""

TRACEBACKS = 400_000
"""Characters of all tracebacks of one scenario; what does not fit is in the cells' files only."""

_NUMBERED = re.compile(r"(?<=\.)\d+(?=\.)")


class _Tracebacks:
    """The tracebacks of one page: each stands there once, and all together are bounded."""

    def __init__(self) -> None:
        self._room = TRACEBACKS
        self._cells: dict[str, str] = {}

    def place(self, row: CellResult) -> tuple[str, str]:
        """The traceback to show for a result, or else the cell that shows the same one already."""
        text = clean(row.failure.traceback, limit=TRACEBACK).rstrip() if row.failure else ""
        if not text or text in self._cells:
            return "", self._cells.get(text, "")
        if len(text) > self._room:
            return "", ""
        self._room -= len(text)
        self._cells[text] = row.cell
        return text, ""


def details(look: Lookup, scenario: Scenario) -> tuple[Detail, ...]:
    """The drill-down of every cell of a scenario."""
    tracebacks = _Tracebacks()
    return tuple(_detail(look, cell, tracebacks) for cell in scenario.cells)


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


def _detail(look: Lookup, cell: str, tracebacks: _Tracebacks) -> Detail:
    rows = [look.row(version, cell) for version in look.versions]
    letters = _letters(look, rows)
    facts, more = _facts(rows, letters)
    again = [row.version for row in rows if row.outcome.red] or [row.version for row in rows[:1]]
    return Detail(
        cell=cell,
        anchor=anchor(cell),
        rows=_rows(look, rows, letters),
        findings=_findings(look, rows, tracebacks),
        letters=tuple(
            (letter, tuple(version for version, own in letters.items() if own == letter))
            for letter in dict.fromkeys(letters.values())
        ),
        behaviours=facts,
        more_behaviours=more,
        repro=repro(",".join(again), cell),
    )


def _rows(look: Lookup, rows: Sequence[CellResult], letters: dict[str, str]) -> tuple[DetailRow, ...]:
    """Versions that did the same, together; a version's own line would repeat it."""
    groups: dict[tuple[object, ...], list[CellResult]] = {}
    for row in rows:
        letter = letters.get(row.version, "")
        known = look.known(row.version, row.cell)
        key = (row.outcome, look.news_mark(row.version, row.cell), known, row.attempts if row.flaky else ())
        groups.setdefault((*key, _checks(row), share(closest(row)), letter, look.age(row)), []).append(row)
    return tuple(_row(look, group, letters.get(group[0].version, "")) for group in groups.values())


def _row(look: Lookup, rows: Sequence[CellResult], letter: str) -> DetailRow:
    row = rows[0]
    return DetailRow(
        versions=tuple((each.version, anchor(each.cell, each.version)) for each in rows),
        mark=OUTCOMES[row.outcome],
        news=look.news_mark(row.version, row.cell),
        flaky=", ".join(OUTCOMES[outcome].word for outcome in row.attempts) if row.flaky else "",
        checks=_checks(row),
        closest=share(closest(row)),
        time=_range([duration(each.seconds) for each in sorted(rows, key=lambda each: each.seconds) if each.seconds]),
        memory=_range([size(each.peak_memory) for each in sorted(rows, key=lambda each: each.peak_memory)]),
        behaviour=letter,
        age=look.age(row),
    )


def _checks(row: CellResult) -> str:
    return f"{sum(check.holds for check in row.checks)}/{len(row.checks)}" if row.checks else ""


def _range(ordered: Sequence[str]) -> str:
    """``0.7–1.2 s`` for texts in ascending order; the unit once where it is the same."""
    if not ordered or not ordered[-1]:
        return ""
    low, high = ordered[0], ordered[-1]
    if low == high or not low:
        return high
    number, _, unit = low.partition(" ")
    return f"{number}–{high}" if " " not in unit and high.endswith(f" {unit}") else f"{low}–{high}"


# -- what there is to tell


def _findings(look: Lookup, rows: Sequence[CellResult], tracebacks: _Tracebacks) -> tuple[Finding, ...]:
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


def _finding(look: Lookup, rows: Sequence[CellResult], tracebacks: _Tracebacks) -> Finding:
    row = rows[0]
    failure = row.failure
    failing = [check for check in row.checks if not check.holds]
    traceback, traceback_in = tracebacks.place(row)
    issue = look.known(row.version, row.cell)
    reason, message = one_line(row.reason, 400), clean(failure.message, limit=MESSAGE) if failure else ""
    return Finding(
        versions=tuple((each.version, cell_file(each)) for each in rows),
        mark=OUTCOMES[row.outcome],
        reason="" if failure and one_line(message, 80)[:60] in reason else reason,
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
    )


def _warnings(row: CellResult) -> tuple[str, ...]:
    shown = [one_line(warning, 200) for warning in row.warnings[:WARNINGS]]
    more = len(row.warnings) - len(shown)
    return (*shown, f"… and {plural(more, 'more warning')}") if more else tuple(shown)


# -- how versions behave


def _letters(look: Lookup, rows: Sequence[CellResult]) -> dict[str, str]:
    """A letter for each way of behaving, in the order in which they appear."""
    seen: dict[str, str] = {}
    letters = {}
    for row in rows:
        if row.fingerprint:
            digest = look.digest(row)
            letters[row.version] = seen.setdefault(digest, _letter(len(seen)))
    return letters


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"{chr(ord('A') + index // 26 - 1)}{chr(ord('A') + index % 26)}"


def _facts(rows: Sequence[CellResult], letters: dict[str, str]) -> tuple[tuple[tuple[str, tuple[str, ...]], ...], int]:
    """The facts that differ between the behaviours; the first facts where there is only one.

    Digests differ whenever anything does, and tell nothing to a reader: they are shown only if nothing else differs.
    """
    samples: dict[str, dict[str, str]] = {}
    for row in rows:
        letter = letters.get(row.version)
        if letter and letter not in samples:
            samples[letter] = _flat(row.fingerprint)
            samples[letter]["warnings"] = one_line("; ".join(row.warnings), WARNING) or "none"
    if not samples:
        return (), 0
    names = dict.fromkeys(name for sample in samples.values() for name in sample)
    told = [(name, tuple(sample.get(name, "") for sample in samples.values())) for name in names]
    if len(samples) > 1:
        told = [(name, values) for name, values in told if len(set(values)) > 1]
    plain = [fact for fact in told if not fact[0].endswith("digest")]
    limit = FACTS if len(samples) > 1 else FACTS_ALONE
    return tuple((plain or told)[:limit]), max(len(plain or told) - limit, 0)


def _flat(facts: object) -> dict[str, str]:
    """Nested facts by their path; those of numbered layers together, when they are the same."""
    found: dict[str, dict[str, None]] = {}
    for path, fact in _leaves(facts, ()):
        name = one_line(_NUMBERED.sub("*", ".".join(part for part in path if part)), 80)
        found.setdefault(name, {})[value(fact, 72)] = None
    return {name: one_line(", ".join(values), 120) for name, values in found.items()}


def _leaves(facts: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    if not isinstance(facts, dict):
        yield path, facts
        return
    for name in sorted(facts, key=str):
        yield from _leaves(facts[name], (*path, cut(str(name), 200)))
