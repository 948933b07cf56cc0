"""One cell over many releases: ranges of releases in which it ended alike, and the boundaries between them. Pure.

Behaviour over releases is neither monotone nor binary, so nothing here assumes either: a range holds neighbouring
releases only, one that was not measured is a range of its own, and a flip names what lies unmeasured within it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from itertools import groupby, pairwise
from sys import intern

from compatmatrix.results import CellResult, Column, Outcome, Scenario
from compatmatrix.text import one_line


@dataclass(frozen=True, slots=True)
class Seen:
    """What one cell did in one release, as far as it is compared: a result of kilobytes in a few words.

    ``behaviour`` is a digest: of the fingerprint, of the signature where the cell is red, and empty where the
    version gave no answer. ``told`` is the signature or the reason, on one line.
    """

    outcome: Outcome
    behaviour: str = ""
    told: str = ""
    flaky: bool = False
    key: str = ""
    measured_at: datetime | None = None

    @property
    def mark(self) -> str:
        """Outcome and behaviour in one word: what is equal where nothing changed."""
        return f"{self.outcome.value}:{self.behaviour}"


def _did(row: CellResult) -> str:
    """How a cell that is not green behaved.

    Where it takes more memory of the machine than it may, either the allocator is refused some, or the watch sees it
    first: which of them is chance. A card that is full is the version's own doing, and always told in the same way.
    """
    did = row.signature or row.reason
    return did if row.outcome is not Outcome.OOM or "OutOfMemoryError" in did else ""


NOT_RUN = Seen(Outcome.NOT_RUN)


def seen(row: CellResult) -> Seen:
    """What is kept of a result."""
    told = one_line(row.signature or row.reason, 300)
    behaviour = ""
    if row.outcome is Outcome.PASS:
        behaviour = row.fingerprint_digest
    elif row.outcome.answered:
        behaviour = hashlib.sha256(f"{row.outcome.value}\n{_did(row)}".encode()).hexdigest()[:12]
    return Seen(row.outcome, intern(behaviour), intern(told), row.flaky, row.key, row.measured_at)


@dataclass(frozen=True, kw_only=True)
class Place:
    """One release of a sheet: its column as it was resolved, and what the index says of it."""

    version: str
    column: Column
    yanked: str | None = None
    uploaded: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """Every cell in every release: ``cells[id]`` has one entry for each place, in the order of ``places``."""

    specifier: str
    places: tuple[Place, ...]
    scenarios: tuple[Scenario, ...]
    cells: Mapping[str, tuple[Seen, ...]]

    @property
    def versions(self) -> tuple[str, ...]:
        return tuple(place.version for place in self.places)


@dataclass(frozen=True, kw_only=True)
class Span:
    """Neighbouring releases in which a cell had one outcome: indexes of the first and the last, both within."""

    outcome: Outcome
    first: int
    last: int
    behaviours: int
    told: str

    @property
    def releases(self) -> int:
        return self.last - self.first + 1


def spans(row: Sequence[Seen]) -> tuple[Span, ...]:
    """The ranges of one cell: together every release exactly once, in order."""
    found = []
    for outcome, group in groupby(enumerate(row), key=lambda item: item[1].outcome):
        members = list(group)
        found.append(
            Span(
                outcome=outcome,
                first=members[0][0],
                last=members[-1][0],
                behaviours=len({each.behaviour for _, each in members}),
                told=members[0][1].told,
            )
        )
    return tuple(found)


class Belief(str, Enum):
    """What repeating both sides of a flip said of it."""

    SEEN = "seen once"
    CONFIRMED = "confirmed"
    FLAKY = "flaky"


class Change(str, Enum):
    """What a flip changed, by the order of outcomes."""

    WORSE = "worse"
    BETTER = "better"
    BEHAVIOUR = "behaves differently"


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A cell that changed between two releases: its outcome, or how it behaves under the same outcome.

    ``before`` and ``after`` are indexes; the releases between them, if any, gave no answer (no environment, not run,
    skipped): where the change came among them is not known.
    """

    cell: str
    before: int
    after: int
    old: Seen
    new: Seen
    belief: Belief = Belief.SEEN

    @property
    def change(self) -> Change:
        if self.old.outcome is self.new.outcome:
            return Change.BEHAVIOUR
        return Change.WORSE if self.new.outcome.severity > self.old.outcome.severity else Change.BETTER


def flips(sheet: Sheet, repeats: Mapping[str, Sequence[str]] | None = None) -> tuple[Flip, ...]:
    """Every change between neighbouring releases that gave an answer, in the order of the cells and releases.

    ``repeats`` maps the key of a result to the marks of its repetitions.
    """
    found = []
    for cell, row in sheet.cells.items():
        answered = [(index, each) for index, each in enumerate(row) if each.outcome.answered]
        for (before, old), (after, new) in pairwise(answered):
            if old.mark != new.mark:
                belief = _belief(old, new, repeats or {})
                found.append(Flip(cell=cell, before=before, after=after, old=old, new=new, belief=belief))
    return tuple(found)


def _belief(old: Seen, new: Seen, repeats: Mapping[str, Sequence[str]]) -> Belief:
    sides = [set(repeats.get(side.key, ())) for side in (old, new)]
    if any(len(side) > 1 for side in sides) or old.flaky or new.flaky:
        return Belief.FLAKY
    if not all(sides):
        return Belief.SEEN
    return Belief.CONFIRMED if sides == [{old.mark}, {new.mark}] else Belief.FLAKY


@dataclass(frozen=True, kw_only=True)
class Changed:
    """Cells of one scenario that made the same change at a boundary."""

    scenario: str
    change: Change
    old: Outcome
    new: Outcome
    belief: Belief
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Boundary:
    """All flips between two releases; those in ``between`` gave no answer, and the change may lie at any of them."""

    before: str
    after: str
    between: tuple[str, ...]
    changed: tuple[Changed, ...]

    def count(self, change: Change) -> int:
        """The number of cells that changed so."""
        return sum(len(each.cells) for each in self.changed if each.change is change)


def boundaries(sheet: Sheet, found: Iterable[Flip]) -> tuple[Boundary, ...]:
    """Flips folded by boundary, in the order of the releases, and by scenario, in that of the sheet."""
    of = {cell: scenario.id for scenario in sheet.scenarios for cell in scenario.cells}
    places: dict[tuple[int, int], dict[tuple[str, Change, Outcome, Outcome, Belief], list[str]]] = {}
    for flip in found:
        kind = (of[flip.cell], flip.change, flip.old.outcome, flip.new.outcome, flip.belief)
        places.setdefault((flip.before, flip.after), {}).setdefault(kind, []).append(flip.cell)
    names = sheet.versions
    return tuple(
        Boundary(
            before=names[before],
            after=names[after],
            between=names[before + 1 : after],
            changed=tuple(
                Changed(scenario=scenario, change=change, old=old, new=new, belief=belief, cells=tuple(cells))
                for (scenario, change, old, new, belief), cells in kinds.items()
            ),
        )
        for (before, after), kinds in sorted(places.items())
    )
