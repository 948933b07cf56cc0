"""A run with its indexes, the run before it and the ledger: what every part of the context is built from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property

from compatmatrix.history import History
from compatmatrix.report import frame
from compatmatrix.report.behaviour import Behaviour, behaviour
from compatmatrix.report.display import NEWS, OUTCOMES, Mark, age, plural, utc
from compatmatrix.report.views import Chip, LedgerNote
from compatmatrix.results import CellResult, Column, News, Outcome, Run, Scenario, Variant

_REUSED = timedelta(minutes=1)


class Lookup:
    """Reads of a run, each computed once."""

    def __init__(
        self, run: Run, before: Run | None, ledger: Mapping[str, LedgerNote], history: History | None = None
    ) -> None:
        self.run = run
        self.history = history or History()
        self.ledger = ledger
        self.columns: dict[str, Column] = {column.version: column for column in run.columns}
        self.versions = tuple(self.columns)
        self.scenarios: dict[str, Scenario] = {item.id: item for item in run.scenarios}
        self.scenario_of: dict[str, Scenario] = {cell: item for item in run.scenarios for cell in item.cells}
        self.results = {(row.version, row.cell): row for row in run.results}
        self._before = {(row.version, row.cell): row.outcome for row in before.results} if before else {}
        self._behaviours: dict[str, Behaviour] = {}
        self._finished = utc(run.finished)
        self._reused_before = utc(run.started) - _REUSED

    @cached_property
    def by_version(self) -> dict[tuple[str, ...], frame.Tally]:
        return frame.tallies(self.table, ["version"])

    @cached_property
    def by_family(self) -> dict[tuple[str, ...], frame.Tally]:
        return frame.tallies(self.table, ["family", "version"])

    @cached_property
    def by_scenario(self) -> dict[tuple[str, ...], frame.Tally]:
        return frame.tallies(self.table, ["scenario", "version"])

    @cached_property
    def table(self) -> frame.Table:
        return frame.cells(self.run)

    @cached_property
    def run_index(self) -> dict[str, int]:
        """Run id -> its place in the history; 0 is the newest."""
        return {each.id: index for index, each in enumerate(reversed(self.history.snapshots))}

    @cached_property
    def families(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(scenario.family for scenario in self.run.scenarios))

    def row(self, version: str, cell: str) -> CellResult:
        """The result of a cell. Every planned cell must have one; a run that lacks it shows ``not run``."""
        found = self.results.get((version, cell))
        return found or CellResult(cell=cell, version=version, outcome=Outcome.NOT_RUN, reason="no result in this run")

    def news(self, version: str, cell: str) -> News:
        return self.run.news.get(version, {}).get(cell, News.NONE)

    def news_mark(self, version: str, cell: str) -> Mark | None:
        news = self.news(version, cell)
        return None if news is News.NONE else NEWS[news]

    def known(self, version: str, cell: str) -> str:
        return self.run.known.get(version, {}).get(cell, "")

    def before(self, version: str, cell: str) -> Mark | None:
        outcome = self._before.get((version, cell))
        return OUTCOMES[outcome] if outcome else None

    @cached_property
    def _digests(self) -> dict[tuple[str, str], str]:
        table = self.table
        return dict(zip(zip(table["version"], table["cell"], strict=True), table["fingerprint"], strict=True))

    def digest(self, row: CellResult) -> str:
        """A hash of what a cell did; the frame has it already."""
        return self._digests.get((row.version, row.cell)) or row.fingerprint_digest

    def behaviour(self, row: CellResult) -> Behaviour:
        """What a cell did, as facts; cells that did the same share them."""
        digest = self.digest(row)
        if digest not in self._behaviours:
            self._behaviours[digest] = behaviour(row, digest)
        return self._behaviours[digest]

    def virtual(self, cell: str) -> str:
        """What stands for the cards of a cell, in words; nothing where it needs none, or real ones."""
        needs = self.variant_of[cell].needs if cell in self.variant_of else ()
        counts = [need.partition(":")[2] for need in needs if need.startswith("virtual-cuda")]
        return (
            plural(int(counts[0]), "virtual device")
            if counts and counts[0].isdecimal()
            else ("virtual devices" if counts else "")
        )

    @cached_property
    def variant_of(self) -> dict[str, Variant]:
        return {
            cell: variant
            for scenario in self.run.scenarios
            for cell, variant in zip(scenario.cells, scenario.variants, strict=True)
        }

    def age(self, row: CellResult) -> str:
        """How old a result is that this run took from the store; nothing where the run measured it."""
        measured = row.measured_at
        if measured is None or utc(measured) >= self._reused_before:
            return ""
        return age(self._finished - utc(measured))

    def oldest(self, version: str) -> str:
        """The age of the oldest result of a column that was taken from the store; nothing when all were measured."""
        return self._oldest.get(version, "")

    @cached_property
    def _oldest(self) -> dict[str, str]:
        oldest: dict[str, datetime] = {}
        for row in self.run.results:
            if row.measured_at is not None:
                measured = utc(row.measured_at)
                oldest[row.version] = min(measured, oldest.get(row.version, measured))
        return {version: age(self._finished - when) for version, when in oldest.items() if when < self._reused_before}


def chips(tally: frame.Tally | None) -> tuple[Chip, ...]:
    """A tally as marks with numbers, worst first."""
    return tuple(Chip(OUTCOMES[outcome], number) for outcome, number in tally.counts) if tally else ()


def news_chips(counts: Mapping[News, int]) -> tuple[Chip, ...]:
    """News worth showing as marks with numbers, the worst first."""
    return tuple(Chip(NEWS[news], counts[news]) for news in News if news is not News.NONE and counts.get(news))
