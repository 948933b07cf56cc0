"""What the page shows, as frozen data: the template reads this and computes nothing.

Text in here is cleaned (no control characters, no secrets, cut to size) but not escaped: that is
the template's duty, by autoescape.
"""

from __future__ import annotations

from dataclasses import dataclass

from compatmatrix.report.display import Mark


@dataclass(frozen=True)
class LedgerNote:
    """What a report needs of a known issue. ``cures`` are scenario ids, links are addresses."""

    id: str
    cause: str
    title: str = ""
    links: tuple[str, ...] = ()
    cures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Chip:
    """Some cells of one outcome, and how many."""

    mark: Mark
    count: int


@dataclass(frozen=True)
class Segment:
    """A piece of a bar; ``start`` and ``width`` are thousandths of the whole."""

    css: str
    start: int
    width: int


@dataclass(frozen=True)
class Figure:
    """A headline number."""

    number: int
    label: str
    css: str
    note: str = ""


@dataclass(frozen=True)
class Answer:
    """Whether one version works for one family: a verdict in words, the counts behind it and a bar."""

    version: str
    verdict: Mark
    told: str
    chips: tuple[Chip, ...]
    bar: tuple[Segment, ...]


@dataclass(frozen=True)
class FamilyAnswers:
    """A row of the first table. ``anchor`` is empty for the sum over all families."""

    name: str
    anchor: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class NewsCell:
    """One cell with news: where it is, and its outcomes before (if it was there) and now."""

    label: str
    anchor: str
    before: Mark | None
    now: Mark


@dataclass(frozen=True)
class NewsItem:
    """Cells of one scenario in one version that share their news: the first of them, and how many more.

    ``page`` has the details of all of them.
    """

    scenario: str
    page: str
    version: str
    cells: tuple[NewsCell, ...]
    more: int


@dataclass(frozen=True)
class NewsGroup:
    """All cells with one kind of news."""

    mark: Mark
    meaning: str
    count: int
    items: tuple[NewsItem, ...]


@dataclass(frozen=True)
class Cure:
    """A scenario that is said to cure an issue, and what it did in the versions concerned."""

    scenario: str
    anchor: str
    seen: tuple[tuple[str, tuple[Chip, ...]], ...]


@dataclass(frozen=True)
class Known:
    """A known issue, with its cures looked up in this very run."""

    id: str
    anchor: str
    title: str
    cause: str
    links: tuple[str, ...]
    cures: tuple[Cure, ...]


@dataclass(frozen=True)
class Hit:
    """How many variants a cause hits in one version; ``anchor`` leads to the first."""

    version: str
    anchor: str
    count: int


@dataclass(frozen=True)
class Place:
    """Where a cause shows: one scenario, and the page with its details."""

    scenario: str
    page: str
    hits: tuple[Hit, ...]


@dataclass(frozen=True)
class Cause:
    """Red cells that failed alike: one outcome and one signature.

    ``traceback`` is the end of one cell's, as a sample.
    """

    anchor: str
    mark: Mark
    title: str
    count: int
    versions: tuple[tuple[str, int], ...]
    places: tuple[Place, ...]
    more_places: int
    news: tuple[Chip, ...]
    known: Known | None
    step: str
    where: str
    traceback: str
    sample: str
    sample_page: str
    sample_file: str


@dataclass(frozen=True)
class CheckView:
    """A check that did not hold."""

    name: str
    measured: str
    limit: str
    detail: str


@dataclass(frozen=True)
class Finding:
    """What one cell has to tell, for all versions in which it tells the same.

    ``versions`` are pairs of a version and the path of the cell's file, empty where there is none.
    ``traceback`` is that of the first version; where an earlier cell of the same page has the same one, it is
    empty and ``traceback_in`` is that cell.
    """

    versions: tuple[tuple[str, str], ...]
    mark: Mark
    reason: str
    exception: str
    message: str
    traceback: str
    traceback_in: str
    checks: tuple[CheckView, ...]
    more_checks: int
    warnings: tuple[str, ...]
    cause: str
    known: str
    known_anchor: str


@dataclass(frozen=True)
class DetailRow:
    """Versions in which a cell did the same. ``behaviour`` is a letter: the same letter, the same fingerprint.

    ``versions`` are pairs of a version and the anchor of its cell; times and memory are ranges.
    """

    versions: tuple[tuple[str, str], ...]
    mark: Mark
    news: Mark | None
    flaky: str
    checks: str
    closest: str
    time: str
    memory: str
    behaviour: str
    age: str


@dataclass(frozen=True)
class Detail:
    """One cell id across all versions. ``letters`` are the behaviours, each with the versions that behave so."""

    cell: str
    anchor: str
    rows: tuple[DetailRow, ...]
    findings: tuple[Finding, ...]
    letters: tuple[tuple[str, tuple[str, ...]], ...]
    behaviours: tuple[tuple[str, tuple[str, ...]], ...]
    more_behaviours: int
    repro: str


@dataclass(frozen=True)
class CellView:
    """One cell of the table; ``anchor`` is in the details of its scenario."""

    anchor: str
    mark: Mark
    news: Mark | None
    flaky: bool


@dataclass(frozen=True)
class RowView:
    """A variant: its label and one cell per version."""

    label: str
    anchor: str
    cells: tuple[CellView, ...]


@dataclass(frozen=True)
class Sum:
    """What a scenario's variants did in one version, and the news among them."""

    chips: tuple[Chip, ...]
    news: tuple[Chip, ...]


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
    """The whole page, and the details beside it."""

    run: str
    finished: str
    finished_iso: str
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
    outcomes: tuple[Meaning, ...]
    news_legend: tuple[Meaning, ...]

    @property
    def scenarios(self) -> tuple[ScenarioView, ...]:
        """All scenarios, in the order of the table."""
        return tuple(scenario for family in self.families for scenario in family.scenarios)
