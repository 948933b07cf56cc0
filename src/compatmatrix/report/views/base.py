"""What several parts of the page are made of."""

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
