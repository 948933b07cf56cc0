"""What earlier runs said."""

from __future__ import annotations

from dataclasses import dataclass

from compatmatrix.report.display import Mark


@dataclass(frozen=True)
class RunView:
    """A run of the history, and whether it measured every cell that it planned."""

    id: str
    finished: str
    complete: bool


@dataclass(frozen=True)
class Moment:
    """From run ``run`` on, for some runs, a cell did the same. ``with_it`` names what else was different then."""

    mark: Mark
    run: str
    when: str
    runs: str
    shows: str
    differs: tuple[str, ...]
    with_it: tuple[str, ...]


@dataclass(frozen=True)
class Timeline:
    """What a cell did in one version, the oldest first; ``earlier`` moments are left out."""

    version: str
    moments: tuple[Moment, ...]
    earlier: int
