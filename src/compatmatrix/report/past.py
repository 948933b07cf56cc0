"""What earlier runs said of a cell: its timeline, and since which run it does what it does. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from compatmatrix.history import Point
from compatmatrix.report.display import OUTCOMES, moment, plural
from compatmatrix.report.lookup import Lookup
from compatmatrix.report.views import Moment, RunView, Timeline
from compatmatrix.results import CellResult
from compatmatrix.text import one_line

RUNS = 30
"""Earlier runs that one can compare with in the page; all are in the history."""

MOMENTS = 12
"""The last points of a timeline."""


def runs(look: Lookup) -> tuple[RunView, ...]:
    """This run and the ones before it, the newest first."""
    found = [RunView(each.id, moment(each.finished), each.complete) for each in reversed(look.history.snapshots)]
    return tuple(found[: RUNS + 1])


def since(look: Lookup, version: str, cell: str) -> int | None:
    """In which run a cell took to what it does now: 0 is this run, 1 the one before.

    None where it never did anything else, or has done so for longer than the runs that are listed.
    """
    point = look.history.since(version, cell) if len(look.history.snapshots) > 1 else None
    index = look.run_index.get(point.run) if point else None
    return index if index is not None and index < RUNS else None


def timelines(look: Lookup, rows: Sequence[CellResult]) -> tuple[Timeline, ...]:
    """For each version in which a cell did different things in different runs, what and when."""
    found = ((row.version, look.history.timeline(row.version, row.cell)) for row in rows)
    return tuple(
        Timeline(version, tuple(_moment(point) for point in points[-MOMENTS:]), max(len(points) - MOMENTS, 0))
        for version, points in found
        if len(points) > 1
    )


def steady(look: Lookup, rows: Sequence[CellResult]) -> str:
    """What is to say where nothing ever changed; nothing where something did, or where there is no history."""
    if len(look.history.snapshots) < 2 or timelines(look, rows):
        return ""
    points = [point for row in rows for point in look.history.timeline(row.version, row.cell)]
    if not points:
        return ""
    most = max(points, key=lambda point: point.runs)
    return f"It did the same in every run that had it: {plural(most.runs, 'run')} since {moment(most.finished)}."


def _moment(point: Point) -> Moment:
    return Moment(
        mark=OUTCOMES[point.seen.outcome],
        run=point.run,
        when=moment(point.finished),
        runs=plural(point.runs, "run"),
        shows=one_line(point.shows, 80),
        differs=point.differs,
        with_it=point.with_it,
    )
