"""Per cell, what changed when: snapshots in, points out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from compatmatrix.history.snapshot import Snapshot
from compatmatrix.history.words import Seen


@dataclass(frozen=True)
class Point:
    """From run ``run`` to run ``last`` (``runs`` of them) a cell did the same.

    ``differs`` says in what it differs from the point before, empty for the first one: ``outcome``, ``cause``
    (why it does not pass), ``behaviour`` (fingerprint and warnings). ``with_it`` says what else was different,
    which may be why: ``version`` (what the column showed), ``lock`` (other packages), ``scenario`` (its source),
    ``compatmatrix``. ``shows`` is what the column showed in run ``run``.
    """

    run: str
    finished: datetime
    last: str
    runs: int
    shows: str
    seen: Seen
    differs: tuple[str, ...] = ()
    with_it: tuple[str, ...] = ()


class History:
    """Full snapshots, the oldest first, each run once; reads are computed once."""

    def __init__(self, snapshots: Iterable[Snapshot] = ()) -> None:
        unique = {each.id: each for each in snapshots}
        self.snapshots: tuple[Snapshot, ...] = tuple(sorted(unique.values(), key=lambda each: (each.finished, each.id)))
        self._timelines: dict[tuple[str, str], tuple[Point, ...]] = {}

    def __bool__(self) -> bool:
        return bool(self.snapshots)

    def and_also(self, snapshot: Snapshot) -> History:
        """The same with one more run."""
        return History((*self.snapshots, snapshot))

    def timeline(self, version: str, cell: str) -> tuple[Point, ...]:
        """What a cell did, the oldest first, runs that say the same as one point; see :func:`timeline`."""
        key = version, cell
        if key not in self._timelines:
            self._timelines[key] = timeline(self.snapshots, version, cell)
        return self._timelines[key]

    def since(self, version: str, cell: str) -> Point | None:
        """The point since when a cell does what it does; None where it never did anything else in this history.

        Runs in which the cell gave no answer (no environment, not run, skipped) do not count.
        """
        points = _answered(self.timeline(version, cell))
        return points[-1] if len(points) > 1 else None

    def red_since(self, version: str, cell: str) -> tuple[Point, Seen] | None:
        """For a cell that is red: when it became so, and what it was before; None where it was never better."""
        points = _answered(self.timeline(version, cell))
        red = len(points)
        while red and points[red - 1].seen.outcome.red:
            red -= 1
        return (points[red], points[red - 1].seen) if 0 < red < len(points) else None

    def was_better(self, version: str, cell: str) -> bool:
        """Whether a cell ever gave an answer that was not red."""
        return any(point.seen.outcome.answered and not point.seen.outcome.red for point in self.timeline(version, cell))

    def last_answered(self, version: str, cell: str) -> Seen | None:
        """What a cell did when it last gave an answer; None where it never gave one."""
        points = self.timeline(version, cell)
        return next((point.seen for point in reversed(points) if point.seen.outcome.answered), None)

    def changed_since(self, run: str) -> dict[tuple[str, str], Point]:
        """(version, cell) -> its last change, for all that the last run shows and that changed after run ``run``."""
        ids = [each.id for each in self.snapshots]
        later = set(ids[ids.index(run) + 1 :]) if run in ids else set(ids)
        last = self.snapshots[-1] if self.snapshots else None
        found = {
            (column.version, cell): self.since(column.version, cell)
            for column in (last.columns if last else ())
            for cell in (last.cells if last else ())
        }
        return {key: point for key, point in found.items() if point is not None and point.run in later}

    def last_complete(self) -> Snapshot | None:
        """The last successful run: every column had an environment, every planned cell was run."""
        return next((each for each in reversed(self.snapshots) if each.complete), None)


def timeline(snapshots: Sequence[Snapshot], version: str, cell: str) -> tuple[Point, ...]:
    """What a cell did in the runs that planned it, the oldest first; runs that say the same are one point."""
    points: list[Point] = []
    before: Snapshot | None = None
    for snapshot in snapshots:
        seen, column = snapshot.seen(version, cell), snapshot.column(version)
        if seen is None or column is None:
            continue
        differs = _differs(points[-1].seen, seen) if points else ()
        if points and not differs:
            same = points[-1]
            points[-1] = Point(**{**vars(same), "last": snapshot.id, "runs": same.runs + 1})
        else:
            with_it = _with_it(before, snapshot, version, cell) if before else ()
            points.append(Point(snapshot.id, snapshot.finished, snapshot.id, 1, column.told, seen, differs, with_it))
        before = snapshot
    return tuple(points)


def _answered(points: Iterable[Point]) -> list[Point]:
    """The points at which the version itself gave an answer, neighbours that did the same once."""
    kept: list[Point] = []
    for point in points:
        if point.seen.outcome.answered and (not kept or kept[-1].seen.did != point.seen.did):
            kept.append(point)
    return kept


def _differs(before: Seen, after: Seen) -> tuple[str, ...]:
    if before.outcome is not after.outcome:
        return ("outcome",)
    return tuple(
        word
        for word, was, now in (("cause", before.cause, after.cause), ("behaviour", before.digest, after.digest))
        if was != now
    )


def _with_it(before: Snapshot, after: Snapshot, version: str, cell: str) -> tuple[str, ...]:
    was, now = before.column(version), after.column(version)
    scenario = cell.partition("[")[0]
    sources = [each.scenarios[scenario].source if scenario in each.scenarios else "" for each in (before, after)]
    found = (
        ("version", was is not None and now is not None and was.told != now.told),
        ("lock", was is not None and now is not None and was.lock != now.lock),
        ("scenario", sources[0] != sources[1]),
        ("compatmatrix", before.compatmatrix != after.compatmatrix),
    )
    return tuple(word for word, different in found if different)
