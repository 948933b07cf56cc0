"""The arithmetic of the benchmarks: samples, floors, fits. Pure."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass


def sample(cells: Sequence[str], count: int, *, seed: int = 0) -> list[str]:
    """``count`` of the cells, evenly spaced from a seeded start, in their order.

    The cells of a scenario stand together, so that each scenario has its share of the sample, one more or less.
    """
    if count >= len(cells):
        return list(cells)
    step = len(cells) / count
    start = random.Random(seed).random() * step
    return [cells[int(start + index * step)] for index in range(count)]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Cells that share one import, in seconds."""

    imports: float
    cells: tuple[float, ...]

    @property
    def work(self) -> float:
        return self.imports + sum(self.cells)


def floor(groups: Sequence[Group], processors: int) -> float:
    """Seconds below which no schedule gets: all work over all processors, or an import and the longest cell after it.

    Cells of one group may run at once here without a further import: it is a bound, and may be out of reach.
    """
    chains = [group.imports + max(group.cells, default=0) for group in groups]
    return max(sum(group.work for group in groups) / processors, max(chains, default=0))


def whole(measured: float, more: int, each: float) -> float:
    """Seconds for all cells, from those of a part: what the part took, and so many more cells at so much each."""
    return measured + more * each


def ratio(longer: float, shorter: float) -> float:
    """How many times longer; not a number where what is compared was lost in what scatters."""
    return longer / shorter if shorter > 0 and longer > 0 else math.nan


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The slope of a straight line through the logarithms: 1 is linear growth, 2 quadratic, 0 none."""
    return statistics.linear_regression([math.log(size) for size in sizes], [math.log(cost) for cost in costs]).slope


def steepest(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The exponent between the two largest sizes: fixed costs hide growth at small ones."""
    return exponent(sizes[-2:], costs[-2:])
