"""A sheet of many releases -> everything the atlas shows. Pure, and golden-tested: no clock, no files.

Ranges are told in words and drawn as strips from the same data: who cannot see the picture reads the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

from packaging.version import InvalidVersion
from packaging.version import Version as Number

from compatmatrix.flips import Belief, Boundary, Change, Flip, Place, Seen, Sheet, boundaries
from compatmatrix.report.atlas_strips import HEIGHT, anchor_of, step_of, strip
from compatmatrix.report.display import OUTCOMES, moment, plural, utc
from compatmatrix.report.views import Chip
from compatmatrix.report.views.atlas import (
    AtlasPage,
    Edge,
    FamilyStrips,
    Figure,
    ReleaseRow,
    Step,
    Tick,
)
from compatmatrix.results import Outcome
from compatmatrix.text import one_line

#: Units between two labels of the axis, at least: a label is narrower.
_LABEL = 50
_SAMPLES = 4


def build(sheet: Sheet, found: Sequence[Flip], *, now: datetime) -> AtlasPage:
    """The page of a sheet and its flips."""
    counts = Counter(each.outcome for row in sheet.cells.values() for each in row)
    families = dict.fromkeys(scenario.family for scenario in sheet.scenarios)
    first, last = sheet.versions[0], sheet.versions[-1]
    step = step_of(sheet)
    edges = tuple(_edge(boundary) for boundary in boundaries(sheet, found))
    return AtlasPage(
        headline=f"{plural(len(sheet.places), 'release')} from {first} to {last}, "
        f"{plural(len(sheet.cells), 'cell')} in each",
        specifier=one_line(sheet.specifier),
        written=moment(now),
        figures=_figures(sheet, found, counts),
        width=step * len(sheet.places),
        height=HEIGHT,
        ticks=_ticks(sheet.versions, step),
        boundaries=plural(len(edges), "boundary", "boundaries"),
        edges=edges,
        families=tuple(
            FamilyStrips(
                family,
                "family:" + re.sub(r"\s+", "_", family),
                tuple(strip(sheet, scenario) for scenario in sheet.scenarios if scenario.family == family),
            )
            for family in families
        ),
        releases=tuple(_release(sheet, index, place) for index, place in enumerate(sheet.places)),
        legend=tuple((OUTCOMES[outcome], counts[outcome]) for outcome in Outcome if counts[outcome]),
    )


def _figures(sheet: Sheet, found: Iterable[Flip], counts: Counter[Outcome]) -> tuple[Figure, ...]:
    changes = Counter(flip.change for flip in found)
    beliefs = Counter(flip.belief for flip in found)
    answered = sum(number for outcome, number in counts.items() if outcome.answered)
    gone = sum(1 for place in sheet.places if place.column.failure)
    believed = f"of all changes, {beliefs[Belief.CONFIRMED]:,} confirmed by repetition, {beliefs[Belief.FLAKY]:,} flaky"
    return (
        Figure(answered, "answers", f"of {counts.total():,} cells; the others were not measured or cannot be here"),
        Figure(changes[Change.WORSE], "changes for the worse", "from one release to the next"),
        Figure(changes[Change.BETTER], "changes for the better", "from one release to the next"),
        Figure(changes[Change.BEHAVIOUR], "other changes", f"same outcome, other behaviour; {believed}"),
        Figure(gone, "releases without environment", "not the release's fault; never jumped over"),
    )


def _ticks(versions: Sequence[str], step: int) -> tuple[Tick, ...]:
    found: list[Tick] = []
    labelled = -_LABEL
    for index, version in enumerate(versions):
        if index and _minor(version) == _minor(versions[index - 1]):
            continue
        room = index * step - labelled >= _LABEL
        labelled = index * step if room else labelled
        found.append(Tick(index * step, ".".join(map(str, _minor(version))) if room else ""))
    return tuple(found)


def _minor(version: str) -> tuple[int, ...]:
    try:
        return Number(version.removeprefix("release-")).release[:2]
    except InvalidVersion:
        return ()


# -- boundaries


def _edge(boundary: Boundary) -> Edge:
    order = {Change.WORSE: 0, Change.BETTER: 1, Change.BEHAVIOUR: 2}
    return Edge(
        anchor=f"edge:{boundary.before}:{boundary.after}",
        before=boundary.before,
        after=boundary.after,
        between=", ".join(boundary.between),
        worse=boundary.count(Change.WORSE),
        better=boundary.count(Change.BETTER),
        behaviour=boundary.count(Change.BEHAVIOUR),
        steps=tuple(
            Step(
                scenario=each.scenario,
                anchor=anchor_of(each.scenario),
                old=OUTCOMES[each.old],
                new=OUTCOMES[each.new],
                change=each.change.value,
                belief=each.belief.value,
                count=plural(len(each.cells), "cell"),
                labels=tuple(
                    cell.removeprefix(each.scenario) for cell in each.cells[:_SAMPLES] if cell != each.scenario
                ),
            )
            for each in sorted(boundary.changed, key=lambda each: order[each.change])
        ),
    )


# -- releases


def _release(sheet: Sheet, index: int, place: Place) -> ReleaseRow:
    column, rows = place.column, [row[index] for row in sheet.cells.values()]
    counts = Counter(each.outcome for each in rows)
    failure = column.failure
    return ReleaseRow(
        version=place.version,
        anchor=f"release:{place.version}",
        installed=one_line(column.transformers, 60),
        yanked=one_line(place.yanked, 300) if place.yanked is not None else "",
        uploaded=f"{utc(place.uploaded):%Y-%m-%d}" if place.uploaded else "",
        python=one_line(column.python, 60),
        torch=one_line(column.torch, 60),
        accelerate=one_line(column.accelerate, 60),
        lock=column.lock_hash[:12],
        failure=one_line(f"{failure.reason.value}: {failure.message}", 300) if failure else "",
        chips=tuple(Chip(OUTCOMES[outcome], counts[outcome]) for outcome in Outcome if counts[outcome]),
        measured=_measured(rows),
    )


def _measured(rows: Iterable[Seen]) -> str:
    times = [utc(row.measured_at) for row in rows if row.measured_at]
    return f"{min(times):%Y-%m-%d}" if times else ""
