"""Finding where a cell began to differ among ordered candidates, some of which cannot be tried. Pure.

Candidates are releases, commits or releases of a companion; how one is measured is the caller's business. What
gives no answer is skipped, and skipped is neither good nor bad: the result names all that it may be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from compatmatrix.errors import SelectionError
from compatmatrix.flips import Seen


class Verdict(str, Enum):
    """What a candidate is, measured against the two ends."""

    GOOD = "good"
    BAD = "bad"
    SKIP = "skip"


@dataclass(frozen=True, kw_only=True)
class Judge:
    """Tells good from bad by the coarsest thing in which the ends differ: red or not, the outcome, the behaviour."""

    good: Seen
    bad: Seen

    def __post_init__(self) -> None:
        for name, end in (("good", self.good), ("bad", self.bad)):
            if not end.outcome.answered:
                raise SelectionError(
                    f"the {name} end gives no answer: {end.outcome.value}: {end.told}",
                    hint="name another end; what cannot be measured is neither good nor bad",
                )
        if self.good.mark == self.bad.mark:
            raise SelectionError(
                f"both ends do the same: {self.good.outcome.value}: {self.good.told}",
                hint="there is nothing to find between them; `compatmatrix flips` lists where a cell changes",
            )
        if self.good.outcome.red and not self.bad.outcome.red:
            raise SelectionError(
                f"the good end is {self.good.outcome.value} and the bad end is {self.bad.outcome.value}",
                hint="exchange --good and --bad: where a cell became well is found in the same way",
            )

    def __call__(self, seen: Seen) -> Verdict:
        if not seen.outcome.answered:
            return Verdict.SKIP
        if self.good.outcome.red != self.bad.outcome.red:
            same = seen.outcome.red == self.good.outcome.red
        elif self.good.outcome is not self.bad.outcome:
            same = seen.outcome is self.good.outcome
        else:
            same = seen.mark == self.good.mark
        return Verdict.GOOD if same else Verdict.BAD


@dataclass(frozen=True, kw_only=True)
class Found:
    """Neighbours as near as they could be told: the change came after ``good``, with ``bad`` at the latest.

    Indexes into the candidates. ``skipped`` lie between the two and gave no answer.
    """

    good: int
    bad: int
    skipped: tuple[int, ...]


def search(good: int, bad: int, ask: Callable[[int], Verdict]) -> Found:
    """Halve the way between two ends until nothing that answers lies between; ``good`` may be the larger index.

    Each candidate is asked once at most, and the ends are taken as verified. Where behaviour is not monotone there is
    more than one place to find; this is one of them.
    """
    asked: dict[int, Verdict] = {}
    while True:
        for index in _from_the_middle(good, bad):
            if index not in asked:
                asked[index] = ask(index)
            if asked[index] is Verdict.SKIP:
                continue
            if asked[index] is Verdict.GOOD:
                good = index
            else:
                bad = index
            break
        else:
            low, high = sorted((good, bad))
            return Found(good=good, bad=bad, skipped=tuple(range(low + 1, high)))


def back(bad: int, ask: Callable[[int], Verdict]) -> int | None:
    """The first good candidate met on the way back from a bad one by 1, 2, 4, … steps; ``None`` where none is."""
    step = 1
    index = bad - 1
    while index >= 0:
        if ask(index) is Verdict.GOOD:
            return index
        if index == 0:
            return None
        step *= 2
        index = max(index - step, 0)
    return None


def _from_the_middle(one: int, other: int) -> Iterator[int]:
    """What lies strictly between, the middle first, then its neighbours on both sides in turn."""
    low, high = sorted((one, other))
    middle = (low + high) // 2
    for distance in range(high - low):
        for index in dict.fromkeys((middle - distance, middle + distance)):
            if low < index < high:
                yield index
