"""Two runs, or two versions of one run, cell by cell: what breaks, what is fixed, what behaves differently. Pure.

Each pair of cells has exactly one :class:`Kind`, so that the counts add up to the number of pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from statistics import median

from compatmatrix.errors import Exit
from compatmatrix.ledger import matches
from compatmatrix.report.behaviour import Change, changes
from compatmatrix.report.sides import Did, Side
from compatmatrix.results import CellResult, Outcome

SLOWER, SECONDS = 2.0, 1.0
LARGER, BYTES = 1.25, 64 << 20
"""A cell is named for its time or memory where it is so many times what it was, and more by so much at least."""


class Kind(str, Enum):
    """How a cell differs between two sides: a closed set, what hurts most first."""

    BREAKS = "breaks"
    FIXES = "fixes"
    OTHERWISE = "otherwise"
    CHANGED = "changed"
    INSIDE = "inside"
    SAME = "same"
    UNKNOWN = "unknown"
    REMOVED = "removed"
    ADDED = "added"


MEANING = {
    Kind.BREAKS: "passes before, and does not after",
    Kind.FIXES: "passes after, and did not before",
    Kind.OTHERWISE: "passes on neither side, and ends in another way",
    Kind.CHANGED: "passes on both sides, and behaves differently",
    Kind.INSIDE: "ends alike; only internals differ: helper buffers, warnings",
    Kind.SAME: "nothing differs",
    Kind.UNKNOWN: "one side or both gave no answer: skipped, not run, no environment",
    Kind.REMOVED: "there is no such cell after",
    Kind.ADDED: "there was no such cell before",
}


WORDS = {
    Kind.BREAKS: "break",
    Kind.FIXES: "are fixed",
    Kind.OTHERWISE: "end otherwise, and still do not pass",
    Kind.CHANGED: "pass and behave differently",
    Kind.INSIDE: "differ inside only",
    Kind.SAME: "are the same",
    Kind.UNKNOWN: "cannot be compared",
    Kind.REMOVED: "are gone",
    Kind.ADDED: "are there only after",
}
"""What so many cells do, as the end of a sentence."""


@dataclass(frozen=True)
class Pair:
    """One cell on both sides; ``version`` is the column, or both where they differ: ``4.46.3 -> main``."""

    cell: str
    version: str
    kind: Kind
    before: Did | None
    after: Did | None

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What of the behaviour differs, in words; empty where a side is a snapshot, or has no fingerprint."""
        both = self.before and self.before.behaviour, self.after and self.after.behaviour
        return changes(both[0], both[1]) if both[0] and both[1] and both[0].facts and both[1].facts else ()


@dataclass(frozen=True)
class Cost:
    """Time (seconds) or peak memory (bytes) of the cells that pass on both sides and were measured on both.

    ``before`` and ``after`` are the sum of times and the largest peak; ``ratio`` is the median of after by before;
    ``more`` are the cells that need notably more.
    """

    name: str
    cells: int
    before: float
    after: float
    ratio: float
    more: tuple[tuple[Pair, float, float], ...]


@dataclass(frozen=True)
class Diff:
    """Two sides and all their pairs."""

    before: Side
    after: Side
    pairs: tuple[Pair, ...]

    @cached_property
    def counts(self) -> dict[Kind, int]:
        """Every kind with its number; they add up to the number of pairs."""
        kinds = [pair.kind for pair in self.pairs]
        return {kind: kinds.count(kind) for kind in Kind}

    def of(self, kind: Kind) -> tuple[Pair, ...]:
        return tuple(pair for pair in self.pairs if pair.kind is kind)

    @property
    def exit(self) -> Exit:
        """3 where something breaks, 5 where something was not measured, 4 where anything else differs, else 0."""
        silent = (Outcome.ENV_FAIL, Outcome.NOT_RUN)
        if self.counts[Kind.BREAKS]:
            return Exit.REGRESSED
        if any(did and did.outcome in silent for pair in self.of(Kind.UNKNOWN) for did in (pair.before, pair.after)):
            return Exit.INFRASTRUCTURE
        quiet = (Kind.SAME, Kind.UNKNOWN)
        return Exit.NEWS if any(count for kind, count in self.counts.items() if kind not in quiet) else Exit.OK

    @cached_property
    def costs(self) -> tuple[Cost, ...]:
        """Time and memory, where both sides are whole runs."""
        rows = [
            (pair, pair.before.row, pair.after.row)
            for pair in self.pairs
            if pair.before and pair.after and pair.before.row and pair.after.row and _both_passed(pair)
        ]
        rows = [(pair, was, now) for pair, was, now in rows if not was.key or was.key != now.key]
        return tuple(
            cost
            for cost in (
                _cost("time", rows, lambda row: row.seconds, sum, SLOWER, SECONDS),
                _cost("memory", rows, lambda row: row.peak_memory, max, LARGER, BYTES),
            )
            if cost
        )


def kind(before: Did | None, after: Did | None) -> Kind:
    """The one definition of every kind; see :data:`MEANING`."""
    if before is None or after is None:
        return Kind.ADDED if before is None else Kind.REMOVED
    if not before.outcome.answered or not after.outcome.answered:
        return Kind.UNKNOWN
    was, now = before.outcome is Outcome.PASS, after.outcome is Outcome.PASS
    if was != now:
        return Kind.BREAKS if was else Kind.FIXES
    if (before.outcome, before.cause, before.felt) != (after.outcome, after.cause, after.felt):
        return Kind.CHANGED if was else Kind.OTHERWISE
    return Kind.SAME if before.whole == after.whole else Kind.INSIDE


# -- the two comparisons


def runs(before: Side, after: Side, globs: Collection[str] = ()) -> Diff:
    """Run against run, each version with itself."""
    keys = dict.fromkeys((*after.cells, *before.cells))
    pairs = [
        _pair(cell, version, before.cells.get((version, cell)), after.cells.get((version, cell)))
        for version, cell in keys
        if _wanted(cell, globs)
    ]
    return Diff(before, after, tuple(pairs))


def versions(side: Side, before: str, after: str, globs: Collection[str] = ()) -> Diff:
    """Version against version of one run: what an upgrade from the one to the other would bring."""
    cells = dict.fromkeys(cell for version, cell in side.cells if version in (before, after) and _wanted(cell, globs))
    name = f"{before} -> {after}"
    pairs = [_pair(cell, name, side.cells.get((before, cell)), side.cells.get((after, cell))) for cell in cells]
    return Diff(_only(side, before), _only(side, after), tuple(pairs))


def _only(side: Side, version: str) -> Side:
    notes = tuple(note for note in side.notes if note.startswith(f"{version} shows "))
    return Side(version, side.run, notes, {version: side.columns[version]}, side.cells)


def _pair(cell: str, version: str, before: Did | None, after: Did | None) -> Pair:
    return Pair(cell, version, kind(before, after), before, after)


def _wanted(cell: str, globs: Collection[str]) -> bool:
    return not globs or any(matches(cell, glob) for glob in globs)


def _both_passed(pair: Pair) -> bool:
    return all(did is not None and did.outcome is Outcome.PASS for did in (pair.before, pair.after))


def _cost(
    name: str,
    rows: Iterable[tuple[Pair, CellResult, CellResult]],
    measure: Callable[[CellResult], float],
    fold: Callable[[Iterable[float]], float],
    times: float,
    least: float,
) -> Cost | None:
    found = [(pair, measure(was), measure(now)) for pair, was, now in rows if measure(was) > 0 and measure(now) > 0]
    if not found:
        return None
    more = [entry for entry in found if entry[2] >= times * entry[1] and entry[2] - entry[1] >= least]
    return Cost(
        name=name,
        cells=len(found),
        before=fold(was for _, was, _ in found),
        after=fold(now for _, _, now in found),
        ratio=median(now / was for _, was, now in found),
        more=tuple(sorted(more, key=lambda entry: entry[1] - entry[2])),
    )
