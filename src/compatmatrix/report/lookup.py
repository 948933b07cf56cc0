"""A run with its indexes, the run before it and the ledger: what every part of the context is built from. Pure."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property

from compatmatrix.report import frame
from compatmatrix.report.display import NEWS, OUTCOMES, Mark, age, utc
from compatmatrix.report.views import Chip, LedgerNote
from compatmatrix.results import CellResult, Column, News, Outcome, Run, Scenario

_REUSED = timedelta(minutes=1)


class Lookup:
    """Reads of a run, each computed once."""

    def __init__(self, run: Run, before: Run | None, ledger: Mapping[str, LedgerNote]) -> None:
        self.run = run
        self.ledger = ledger
        self.columns: dict[str, Column] = {column.version: column for column in run.columns}
        self.versions = tuple(self.columns)
        self.scenario_of: dict[str, Scenario] = {cell: item for item in run.scenarios for cell in item.cells}
        self.results = {(row.version, row.cell): row for row in run.results}
        self._before = {(row.version, row.cell): row.outcome for row in before.results} if before else {}
        self._digests: dict[tuple[str, str], str] = {}

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

    def digest(self, row: CellResult) -> str:
        key = (row.version, row.cell)
        if key not in self._digests:
            self._digests[key] = row.fingerprint_digest
        return self._digests[key]

    def age(self, row: CellResult) -> str:
        """How old a result is that this run took from the store; nothing where the run measured it."""
        if row.measured_at is None or utc(row.measured_at) >= utc(self.run.started) - _REUSED:
            return ""
        return age(utc(self.run.finished) - utc(row.measured_at))


def chips(tally: frame.Tally | None) -> tuple[Chip, ...]:
    """A tally as marks with numbers, worst first."""
    return tuple(Chip(OUTCOMES[outcome], number) for outcome, number in tally.counts) if tally else ()


def news_chips(counts: Mapping[News, int]) -> tuple[Chip, ...]:
    """News worth showing as marks with numbers, the worst first."""
    return tuple(Chip(NEWS[news], counts[news]) for news in News if news is not News.NONE and counts.get(news))


def anchor(*parts: str) -> str:
    """An element id: ``cell@version`` for two parts, else the part itself; ids hold no spaces."""
    return re.sub(r"\s+", "_", "@".join(parts))


def scenario_anchor(scenario: str) -> str:
    """The element of a scenario's rows."""
    return anchor(f"scenario:{scenario}")


def column_anchor(version: str) -> str:
    """The element that tells what is installed."""
    return anchor(f"column:{version}")


def family_anchor(family: str) -> str:
    """The element of a family's heading in the table."""
    return anchor(f"family:{family}")


def known_anchor(issue: str) -> str:
    """The element that tells of a known issue, in the details of a scenario."""
    return anchor(f"known:{issue}")


def cause_key(row: CellResult) -> tuple[Outcome, str]:
    """What makes two red cells fail alike."""
    return row.outcome, row.signature or row.reason


def cause_anchor(row: CellResult) -> str:
    """Stable from run to run, as long as the signature is the same."""
    outcome, signature = cause_key(row)
    return "cause:" + hashlib.sha256(f"{outcome.value}\n{signature}".encode()).hexdigest()[:10]


def repro(version: str, cell: str) -> str:
    """The one command that runs this cell again; ``version`` may be several, with commas between them."""
    return f"compatmatrix run --versions {shlex.quote(version)} --fresh {shlex.quote(cell)}"
