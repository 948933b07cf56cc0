"""The smallest set of environments that covers all needs: an exact set cover, by HiGHS. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from highspy import Highs


def smallest_cover(serves: Sequence[frozenset[int]], needs: int) -> tuple[int, ...]:
    """Indices of the fewest sets whose union is ``range(needs)``; every need must be in some set.

    ``serves`` is in the order of preference, and so is the answer: among all smallest covers it is the one whose
    indices come first, compared one by one. 120 versions and 60 needs take about a second.
    """
    # Late, because a single version serves most needs, and then no solver is wanted.
    from highspy import Highs

    model = Highs()  # type: ignore[no-untyped-call]
    model.silent()
    # The objective is a small whole number: the default gap of HiGHS is for large sums, and would be a guess here.
    model.setOptionValue("mip_rel_gap", 0.0)
    model.setOptionValue("mip_abs_gap", 0.5)
    chosen = [model.addBinary(obj=1) for _ in serves]
    for need in range(needs):
        model.addConstr(sum(chosen[index] for index, served in enumerate(serves) if need in served) >= 1)
    least = _minimum(model)
    found: list[int] = []
    for index in range(len(serves)):
        if len(found) == least:
            break
        model.changeColBounds(index, 1, 1)
        if _minimum(model) == least:
            found.append(index)
        else:
            model.changeColBounds(index, 0, 0)
    return tuple(found)


def _minimum(model: Highs) -> int:
    """How many sets the best cover has, under the bounds that are set."""
    from highspy import HighsModelStatus

    model.run()
    if model.getModelStatus() != HighsModelStatus.kOptimal:
        return -1
    return round(model.getObjectiveValue())
