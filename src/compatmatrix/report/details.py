"""The cells of a scenario across all versions: what each did, told once where several did the same. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from compatmatrix.report import past
from compatmatrix.report.addresses import anchor, cell_anchor, repro
from compatmatrix.report.beside import lock_file
from compatmatrix.report.display import OUTCOMES, duration, share, size
from compatmatrix.report.findings import Tracebacks, findings
from compatmatrix.report.frame import closest
from compatmatrix.report.lookup import Lookup
from compatmatrix.report.pictures import pictures
from compatmatrix.report.steps import Steps, fingerprints, letters
from compatmatrix.report.views import Detail, DetailRow
from compatmatrix.results import CellResult, Scenario


def details(look: Lookup, scenario: Scenario) -> tuple[Detail, ...]:
    """The drill-down of every cell of a scenario."""
    tracebacks, steps = Tracebacks(scenario.id), Steps(look)
    return tuple(_detail(look, scenario, cell, tracebacks, steps) for cell in scenario.cells)


def _detail(look: Lookup, scenario: Scenario, cell: str, tracebacks: Tracebacks, steps: Steps) -> Detail:
    rows = [look.row(version, cell) for version in look.versions]
    known_as = letters(look, rows)
    again = [row.version for row in rows if row.outcome.red] or [row.version for row in rows[:1]]
    return Detail(
        cell=cell,
        anchor=cell_anchor(scenario.id, cell),
        row=anchor(cell),
        virtual=look.virtual(cell),
        rows=_rows(look, scenario, rows, known_as),
        findings=findings(look, rows, tracebacks),
        pictures=pictures(look, rows),
        fingerprints=fingerprints(look, rows, known_as),
        steps=steps.of(rows),
        timelines=past.timelines(look, rows),
        steady=past.steady(look, rows),
        repro=repro(",".join(again), cell),
    )


def _rows(
    look: Lookup, scenario: Scenario, rows: Sequence[CellResult], letters: dict[str, str]
) -> tuple[DetailRow, ...]:
    """Versions that did the same, together; a version's own line would repeat it."""
    groups: dict[tuple[object, ...], list[CellResult]] = {}
    for row in rows:
        letter = letters.get(row.version, "")
        known = look.known(row.version, row.cell)
        key = (row.outcome, look.news_mark(row.version, row.cell), known, row.attempts if row.flaky else ())
        groups.setdefault((*key, _checks(row), share(closest(row)), letter, look.age(row)), []).append(row)
    return tuple(_row(look, scenario, group, letters.get(group[0].version, "")) for group in groups.values())


def _row(look: Lookup, scenario: Scenario, rows: Sequence[CellResult], letter: str) -> DetailRow:
    row = rows[0]
    return DetailRow(
        versions=tuple(
            (each.version, cell_anchor(scenario.id, each.cell, each.version), lock_file(look.columns[each.version]))
            for each in rows
        ),
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
