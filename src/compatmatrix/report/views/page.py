"""The columns, the legend, and the page as a whole."""

from __future__ import annotations

from dataclasses import dataclass

from compatmatrix.report.display import Mark
from compatmatrix.report.views.base import Chip
from compatmatrix.report.views.causes import Cause
from compatmatrix.report.views.compare import ComparePanel
from compatmatrix.report.views.past import RunView
from compatmatrix.report.views.pins import PinPanel
from compatmatrix.report.views.table import FamilyView, ScenarioView
from compatmatrix.report.views.top import FamilyAnswers, Figure, NewsGroup


@dataclass(frozen=True)
class ColumnView:
    """A version: what is really installed, or why nothing is."""

    version: str
    anchor: str
    installed: str
    substitute: str
    because: str
    failure: str
    message: str
    hint: str
    log: str
    source: str
    commit: str
    facts: tuple[tuple[str, str], ...]
    packages: tuple[tuple[str, str], ...]
    lock: str
    chips: tuple[Chip, ...]
    age: str


@dataclass(frozen=True)
class Meaning:
    """A line of the legend."""

    mark: Mark
    meaning: str
    count: int


@dataclass(frozen=True)
class Page:
    """The whole page, and the details beside it; ``dense`` where joined neighbours are told as ranges.

    ``overdue_after`` days after ``finished``, at ``expected``, the next run is overdue; None and empty where no
    schedule is known. ``runs`` are the newest of the history, this one first; ``complete`` is the last run that
    measured all its cells, empty where that is this one.
    """

    run: str
    finished: str
    finished_iso: str
    overdue_after: int | None
    took: str
    machine: str
    tool: str
    headline: str
    tone: str
    compared: str
    figures: tuple[Figure, ...]
    answers: tuple[FamilyAnswers, ...]
    news: tuple[NewsGroup, ...]
    causes: tuple[Cause, ...]
    columns: tuple[ColumnView, ...]
    families: tuple[FamilyView, ...]
    dense: bool
    runs: tuple[RunView, ...]
    expected: str
    complete: str
    compare: ComparePanel
    pins: PinPanel
    outcomes: tuple[Meaning, ...]
    news_legend: tuple[Meaning, ...]

    @property
    def scenarios(self) -> tuple[ScenarioView, ...]:
        """All scenarios, in the order of the table."""
        return tuple(scenario for family in self.families for scenario in family.scenarios)
