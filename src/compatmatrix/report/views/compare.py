"""What the panel that compares two versions is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Neighbours:
    """Two neighbouring versions, and how many cells differ how, in the order of the panel's kinds."""

    before: str
    after: str
    counts: tuple[int, ...]


@dataclass(frozen=True)
class ComparePanel:
    """``kinds`` are a name and a meaning; ``data`` is what the script reads (its shape is told where it is made)."""

    kinds: tuple[tuple[str, str], ...]
    neighbours: tuple[Neighbours, ...]
    data: dict[str, Any]
