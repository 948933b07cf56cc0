"""The table: families, scenarios, variants and their cells."""

from __future__ import annotations

from dataclasses import dataclass

from compatmatrix.report.display import Mark
from compatmatrix.report.views.base import Chip
from compatmatrix.report.views.causes import Known
from compatmatrix.report.views.details import Detail


@dataclass(frozen=True)
class CellView:
    """What a variant did in one version, or in ``count`` neighbouring ones that did the same, up to ``last``.

    ``to`` is the element of the first of them in the details of its scenario, percent-encoded. ``differs`` are
    the aspects in which it differs from the version before it although the outcome is the same; ``slight`` the
    versions (0 is the first) in which only internal facts do. ``joins`` tells that it may stand in one range
    with the version before it. ``since`` is the run in which it took to this (see :class:`RunView`; 0 is this run).
    """

    to: str
    version: str
    mark: Mark
    news: Mark | None
    flaky: bool
    differs: tuple[str, ...]
    slight: tuple[int, ...]
    joins: bool
    since: int | None
    count: int
    last: str

    @property
    def css(self) -> str:
        """The classes of the cell: outcome (none is a pass), news, ``d`` differs, ``m`` slight, ``j`` joins."""
        outcome, news = self.mark.css, f"n-{self.news.css}" if self.news else ""
        marks = ("d" if self.differs else "", "m" if self.slight else "", "j" if self.joins else "")
        return " ".join(filter(None, ("" if outcome == "pass" else outcome, news, *marks)))


@dataclass(frozen=True)
class RowView:
    """A variant: its label, its virtual devices in words (if it has some), and its cells in the order of versions."""

    label: str
    anchor: str
    virtual: str
    cells: tuple[CellView, ...]

    @property
    def since(self) -> int | None:
        """The run since which all of its cells are as they are, where it is the same one: told once, for the row."""
        runs = {cell.since for cell in self.cells}
        return runs.pop() if len(runs) == 1 else None


@dataclass(frozen=True)
class Sum:
    """What a scenario's variants did in one version or in neighbouring ones, and the news among them."""

    chips: tuple[Chip, ...]
    news: tuple[Chip, ...]
    version: str
    joins: bool
    count: int
    last: str


@dataclass(frozen=True)
class ScenarioView:
    """A scenario: its sums per version, and its variants folded under it.

    ``page`` is the file with the ``details`` of its cells, ``known`` the issues that explain some of them.
    """

    id: str
    name: str
    anchor: str
    page: str
    title: str
    doc: str
    where: str
    claims: tuple[str, ...]
    cures: tuple[str, ...]
    sums: tuple[Sum, ...]
    rows: tuple[RowView, ...]
    details: tuple[Detail, ...]
    known: tuple[Known, ...]


@dataclass(frozen=True)
class FamilyView:
    """A family's block of the table."""

    name: str
    anchor: str
    scenarios: tuple[ScenarioView, ...]
