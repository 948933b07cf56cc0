"""What the atlas shows: its strips, boundaries and releases."""

from __future__ import annotations

from dataclasses import dataclass

from compatmatrix.report.display import Mark
from compatmatrix.report.views.base import Chip


@dataclass(frozen=True)
class Bar:
    """A part of a strip: cells of one outcome, over neighbouring releases."""

    css: str
    y: int
    height: int


@dataclass(frozen=True)
class Stretch:
    """Neighbouring releases in which a scenario's cells ended alike: as words, and as bars at ``x``."""

    chips: tuple[Chip, ...]
    releases: str
    x: int
    width: int
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Range:
    """Neighbouring releases in which some cells had one outcome; ``told`` says why where it was not a pass."""

    mark: Mark
    releases: str
    behaviours: int
    told: str


@dataclass(frozen=True)
class Group:
    """Cells of one scenario with the same ranges; ``labels`` is empty where it is all of several cells."""

    count: str
    labels: tuple[str, ...]
    ranges: tuple[Range, ...]


@dataclass(frozen=True)
class Strip:
    """One scenario across all releases."""

    id: str
    name: str
    anchor: str
    title: str
    cells: str
    stretches: tuple[Stretch, ...]
    groups: tuple[Group, ...]


@dataclass(frozen=True)
class FamilyStrips:
    """The strips of a family."""

    name: str
    anchor: str
    strips: tuple[Strip, ...]


@dataclass(frozen=True)
class Step:
    """Cells of one scenario that changed alike at a boundary; ``old`` and ``new`` are the same for behaviour."""

    scenario: str
    anchor: str
    old: Mark
    new: Mark
    change: str
    belief: str
    count: str
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Edge:
    """A boundary with what changed there."""

    anchor: str
    before: str
    after: str
    between: str
    worse: int
    better: int
    behaviour: int
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Tick:
    """Where a minor version begins; ``label`` is empty where there is no room for one."""

    x: int
    label: str


@dataclass(frozen=True)
class ReleaseRow:
    """A column of the sheet, as a row of the table of releases."""

    version: str
    anchor: str
    installed: str
    yanked: str
    uploaded: str
    python: str
    torch: str
    accelerate: str
    lock: str
    failure: str
    chips: tuple[Chip, ...]
    measured: str


@dataclass(frozen=True)
class Figure:
    """A number at the top."""

    number: int
    label: str
    note: str


@dataclass(frozen=True)
class AtlasPage:
    """The whole page. ``width`` is that of all strips, in units of the picture."""

    headline: str
    specifier: str
    written: str
    figures: tuple[Figure, ...]
    width: int
    height: int
    ticks: tuple[Tick, ...]
    boundaries: str
    edges: tuple[Edge, ...]
    families: tuple[FamilyStrips, ...]
    releases: tuple[ReleaseRow, ...]
    legend: tuple[tuple[Mark, int], ...]
