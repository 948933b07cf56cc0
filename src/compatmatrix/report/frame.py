"""A run as tables: the only user of pandas, and the only place where cells are counted.

Every number a report shows comes from :func:`tally` or from a function here that builds on it.
Cells are counted once each, by their outcome; the outcomes are a closed set, so that counts always
add up to the number of planned cells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd

from compatmatrix.results import CellResult, Column, News, Outcome, Run, Scenario
from compatmatrix.text import one_line

#: What :func:`cells` gives: for annotations elsewhere, so that pandas is imported here only.
Table = pd.DataFrame

COLUMNS = (
    "family",
    "scenario",
    "variant",
    "cell",
    "version",
    "shows",
    "substitute",
    "outcome",
    "news",
    "known",
    "flaky",
    "reason",
    "signature",
    "checks",
    "checks_held",
    "closest",
    "seconds",
    "peak_memory",
    "fingerprint",
    "measured_at",
)
"""The columns of :func:`cells` and of the exported CSV, in this order."""


@dataclass(frozen=True)
class Tally:
    """How many of some cells ended how: one number per outcome that occurs, worst first."""

    counts: tuple[tuple[Outcome, int], ...]

    @property
    def total(self) -> int:
        return sum(number for _, number in self.counts)

    @property
    def answered(self) -> int:
        """Cells in which the version itself gave the answer."""
        return sum(number for outcome, number in self.counts if outcome.answered)

    @property
    def red(self) -> int:
        return sum(number for outcome, number in self.counts if outcome.red)

    def of(self, outcome: Outcome) -> int:
        return dict(self.counts).get(outcome, 0)

    @property
    def worst(self) -> Outcome | None:
        return self.counts[0][0] if self.counts else None


def closest(row: CellResult) -> float | None:
    """The largest measured share of a limit among the checks of a cell; 1 is at the limit, above it wrong.

    None where no check has a limit above zero: those are yes-or-no checks.
    """
    shares = [check.measured / check.limit for check in row.checks if check.limit > 0]
    return max(shares) if shares else None


def cells(run: Run) -> pd.DataFrame:
    """One row per planned cell and version, in the order of the run's columns and scenarios."""
    places = {
        cell: (scenario, variant.label)
        for scenario in run.scenarios
        for cell, variant in zip(scenario.cells, scenario.variants, strict=True)
    }
    columns = {column.version: column for column in run.columns}
    order = {version: index for index, version in enumerate(columns)}
    rank = {cell: index for index, cell in enumerate(places)}
    rows = sorted(
        (row for row in run.results if row.cell in places and row.version in columns),
        key=lambda row: (order[row.version], rank[row.cell]),
    )
    return pd.DataFrame(
        [_record(run, row, columns[row.version], *places[row.cell]) for row in rows], columns=list(COLUMNS)
    )


def _record(run: Run, row: CellResult, column: Column, scenario: Scenario, label: str) -> tuple[object, ...]:
    return (
        scenario.family,
        scenario.id,
        label,
        row.cell,
        row.version,
        column.shows,
        column.substitute is not None,
        row.outcome.value,
        run.news.get(row.version, {}).get(row.cell, News.NONE).value,
        run.known.get(row.version, {}).get(row.cell, ""),
        row.flaky,
        row.reason,
        row.signature or "",
        len(row.checks),
        sum(check.holds for check in row.checks),
        closest(row),
        row.seconds,
        row.peak_memory,
        row.fingerprint_digest,
        row.measured_at.isoformat() if row.measured_at else "",
    )


def tally(frame: pd.DataFrame) -> Tally:
    """The one definition of a count: rows by outcome, worst first."""
    numbers = frame["outcome"].value_counts()
    return Tally(tuple((outcome, int(numbers[outcome.value])) for outcome in Outcome if outcome.value in numbers.index))


def count(rows: Iterable[CellResult]) -> Tally:
    """The same of results that are not in a table."""
    numbers = Counter(row.outcome for row in rows)
    return Tally(tuple((outcome, numbers[outcome]) for outcome in Outcome if numbers[outcome]))


def tallies(frame: pd.DataFrame, by: Sequence[str]) -> dict[tuple[str, ...], Tally]:
    """A tally for each group, in one pass: 48,000 cells take milliseconds."""
    table = frame.groupby([*by, "outcome"], sort=False, observed=True).size()
    found: dict[tuple[str, ...], dict[Outcome, int]] = {}
    for key, number in table.items():
        *group, outcome = key if isinstance(key, tuple) else (key,)
        found.setdefault(tuple(map(str, group)), {})[Outcome(outcome)] = int(number)
    return {
        group: Tally(tuple((outcome, numbers[outcome]) for outcome in Outcome if outcome in numbers))
        for group, numbers in found.items()
    }


def news_counts(frame: pd.DataFrame) -> dict[News, int]:
    """How many cells have which news; ``none`` is left out."""
    numbers = frame["news"].value_counts()
    return {news: int(numbers[news.value]) for news in News if news is not News.NONE and news.value in numbers.index}


def to_csv(run: Run) -> str:
    """All cells as CSV, one line each; a leading character that a spreadsheet would run is quoted.

    The text columns hold what libraries wrote, and ``=HYPERLINK(…)`` in a cell would be executed.
    """
    frame = cells(run)
    for name in ("reason", "signature", "variant", "cell", "scenario", "family", "version", "shows"):
        frame[name] = frame[name].map({text: _cell(text) for text in frame[name].unique()})
    return str(frame.to_csv(index=False, lineterminator="\n"))


def _cell(text: str) -> str:
    """A text that a spreadsheet shows and does not run."""
    text = one_line(text, 1000)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text
