"""Scenarios across all releases, for the atlas: ranges in words, and the same as bars. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from compatmatrix.flips import Sheet, Span, spans
from compatmatrix.report.display import OUTCOMES, plural
from compatmatrix.report.views import Chip
from compatmatrix.report.views.atlas import Bar, Group, Range, Stretch, Strip
from compatmatrix.results import Outcome, Scenario
from compatmatrix.text import one_line

#: Units of the picture: the least width of all releases and of one, the height of a strip.
WIDTH, STEP, HEIGHT = 1240, 10, 100


def step_of(sheet: Sheet) -> int:
    """The width of one release, in units of the picture."""
    return max(STEP, WIDTH // len(sheet.places))


def _name(sheet: Sheet, index: int) -> str:
    place = sheet.places[index]
    return f"{place.version} (yanked)" if place.yanked is not None else place.version


def _between(sheet: Sheet, first: int, last: int) -> str:
    return _name(sheet, first) if first == last else f"{_name(sheet, first)}–{_name(sheet, last)}"


def strip(sheet: Sheet, scenario: Scenario) -> Strip:
    """One scenario across all releases, in words and as bars."""
    cells = [cell for cell in scenario.cells if cell in sheet.cells]
    return Strip(
        id=scenario.id,
        name=scenario.id.removeprefix(f"{scenario.family}/"),
        anchor=anchor_of(scenario.id),
        title=one_line(scenario.title, 200),
        cells=plural(len(cells), "cell"),
        stretches=_stretches(sheet, cells),
        groups=_groups(sheet, scenario, cells),
    )


def anchor_of(name: str) -> str:
    """The element of a scenario; ids hold no spaces."""
    return "scenario:" + re.sub(r"\s+", "_", name)


def _stretches(sheet: Sheet, cells: Sequence[str]) -> tuple[Stretch, ...]:
    tallies = []
    for index in range(len(sheet.places)):
        counts = Counter(sheet.cells[cell][index].outcome for cell in cells)
        tallies.append(tuple((outcome, counts[outcome]) for outcome in Outcome if counts[outcome]))
    found, step = [], step_of(sheet)
    for tally, group in groupby(range(len(tallies)), key=tallies.__getitem__):
        members = list(group)
        found.append(
            Stretch(
                chips=tuple(Chip(OUTCOMES[outcome], number) for outcome, number in tally),
                releases=_between(sheet, members[0], members[-1]),
                x=members[0] * step,
                width=len(members) * step,
                bars=_bars(tally, len(cells)),
            )
        )
    return tuple(found)


def _bars(tally: Sequence[tuple[Outcome, int]], total: int) -> tuple[Bar, ...]:
    """Stacked, the worst on top, and together exactly as high as the strip."""
    found, done = [], 0
    for outcome, number in tally:
        top, bottom = HEIGHT * done // total, HEIGHT * (done + number) // total
        found.append(Bar(OUTCOMES[outcome].css, top, bottom - top))
        done += number
    return tuple(found)


def _groups(sheet: Sheet, scenario: Scenario, cells: Sequence[str]) -> tuple[Group, ...]:
    """Cells with the same outcomes everywhere, folded; the largest group first."""
    alike: dict[tuple[Outcome, ...], list[str]] = {}
    for cell in cells:
        alike.setdefault(tuple(each.outcome for each in sheet.cells[cell]), []).append(cell)
    found = []
    for members in sorted(alike.values(), key=len, reverse=True):
        rows = [spans(sheet.cells[cell]) for cell in members]
        whole = len(members) == len(cells)
        found.append(
            Group(
                count=f"all {len(members)} cells" if whole and len(members) > 1 else plural(len(members), "cell"),
                labels=() if whole else tuple(cell.removeprefix(scenario.id) or scenario.id for cell in members),
                ranges=tuple(_range(sheet, together) for together in zip(*rows, strict=True)),
            )
        )
    return tuple(found)


def _range(sheet: Sheet, together: Sequence[Span]) -> Range:
    span = together[0]
    reasons = dict.fromkeys(each.told for each in together) if span.outcome is not Outcome.PASS else {}
    told = next(iter(reasons), "")
    more = f" … and {len(reasons) - 1} other reasons" if len(reasons) > 1 else ""
    return Range(
        mark=OUTCOMES[span.outcome],
        releases=_between(sheet, span.first, span.last),
        behaviours=max(each.behaviours for each in together),
        told=one_line(told, 160) + more,
    )
