"""Red cells by cause, and the known issues that explain them."""

from __future__ import annotations

from dataclasses import dataclass

from compatmatrix.report.display import Mark
from compatmatrix.report.views.base import Chip


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
    """How many variants a cause hits in one version; ``link`` leads to the first."""

    version: str
    link: str
    count: int


@dataclass(frozen=True)
class Place:
    """Where a cause shows: one scenario, and the page with its details."""

    scenario: str
    page: str
    hits: tuple[Hit, ...]
    more: int


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
    more_versions: int
    places: tuple[Place, ...]
    more_places: int
    news: tuple[Chip, ...]
    known: Known | None
    step: str
    where: str
    traceback: str
    sample: str
    sample_link: str
    sample_file: str
