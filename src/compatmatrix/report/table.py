"""The table: each variant in each version, and which neighbouring versions did the same. Pure.

Two neighbouring versions *join* in a row where nothing that a user can feel differs: outcome, news, known
issue, attempts, cause of a failure, age of the result, the run in which it changed, and the facts of the
fingerprint other than internal ones. A column that shows a substitute, or has no environment, never joins. What
differs inside (helper buffers, warnings) does not part two versions, but is marked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from compatmatrix.report import past
from compatmatrix.report.addresses import anchor, cell_anchor, detail_file, family_anchor, fragment, scenario_anchor
from compatmatrix.report.behaviour import aspects
from compatmatrix.report.details import details
from compatmatrix.report.display import OUTCOMES
from compatmatrix.report.findings import known_issues
from compatmatrix.report.lookup import Lookup, chips, news_chips
from compatmatrix.report.views import CellView, FamilyView, RowView, ScenarioView, Sum
from compatmatrix.results import CellResult, Outcome, Scenario
from compatmatrix.text import clean, one_line

DENSE = 12
"""With more columns than this, joined neighbours are one wide cell from the start."""

CAUSE = "cause"


def dense(look: Lookup) -> bool:
    """Whether there are so many columns that a row is told in ranges."""
    return len(look.versions) > DENSE


def families(look: Lookup) -> tuple[FamilyView, ...]:
    """The table, family by family."""
    return tuple(
        FamilyView(
            family,
            family_anchor(family),
            tuple(_scenario(look, scenario) for scenario in look.run.scenarios if scenario.family == family),
        )
        for family in look.families
    )


def _scenario(look: Lookup, scenario: Scenario) -> ScenarioView:
    links = [_links(look, cell) for cell in scenario.cells]
    joins = [all(each[index].joins for each in links) for index in range(len(look.versions))]
    return ScenarioView(
        id=scenario.id,
        name=scenario.id.removeprefix(f"{scenario.family}/"),
        anchor=scenario_anchor(scenario.id),
        page=detail_file(scenario.id),
        title=one_line(scenario.title, 200),
        doc=clean(scenario.doc, limit=1500).strip(),
        where=f"{scenario.file}:{scenario.line}" if scenario.file else "",
        claims=tuple(one_line(claim, 80) for claim in scenario.claims),
        cures=tuple(one_line(cure, 80) for cure in scenario.cures),
        sums=tuple(_sum(look, scenario, group, joins) for group in _groups(look, joins)),
        rows=tuple(
            RowView(
                variant.label,
                anchor(cell),
                look.virtual(cell),
                tuple(_cell(look, scenario, cell, group, own) for group in _groups(look, [one.joins for one in own])),
            )
            for cell, variant, own in zip(scenario.cells, scenario.variants, links, strict=True)
        ),
        details=details(look, scenario),
        known=known_issues(look, scenario),
    )


def _groups(look: Lookup, joins: Sequence[bool]) -> list[range]:
    """The versions that are told together, as ranges of indexes: each alone unless there are very many."""
    if not dense(look):
        return [range(index, index + 1) for index in range(len(joins))]
    starts = [index for index, join in enumerate(joins) if not join]
    return [range(start, end) for start, end in zip(starts, [*starts[1:], len(joins)], strict=True)]


# -- how a version stands to the one before it


class _Link(NamedTuple):
    """How a cell stands to its neighbour in the version before."""

    differs: tuple[str, ...] = ()
    slight: bool = False
    joins: bool = False


def _links(look: Lookup, cell: str) -> list[_Link]:
    """One for each version; the first has no neighbour."""
    rows = [look.row(version, cell) for version in look.versions]
    return [_Link()][: len(rows)] + [_link(look, before, row) for before, row in pairwise(rows)]


def _link(look: Lookup, before: CellResult, row: CellResult) -> _Link:
    if before.outcome is not row.outcome:
        return _Link()
    differs = differences(look, before, row)
    slight = not differs and row.outcome is Outcome.PASS and look.digest(before) != look.digest(row)
    return _Link(differs, slight, not differs and _join(look, before, row))


def differences(look: Lookup, before: CellResult, row: CellResult) -> tuple[str, ...]:
    """In which aspects two neighbours of the same outcome differ; nothing where the outcomes differ already."""
    if before.outcome is not row.outcome or not row.outcome.answered:
        return ()
    cause = row.outcome is not Outcome.PASS and _cause(before) != _cause(row)
    facts = () if look.digest(before) == look.digest(row) else aspects(look.behaviour(before), look.behaviour(row))
    return ((CAUSE,) if cause else ()) + (facts if row.outcome is Outcome.PASS else ())


def _join(look: Lookup, before: CellResult, row: CellResult) -> bool:
    """Whether two neighbours of the same behaviour may stand in one range."""
    columns = look.columns[before.version], look.columns[row.version]
    return not any(column.substitute or column.failure for column in columns) and _told(look, before) == _told(
        look, row
    )


def _told(look: Lookup, row: CellResult) -> tuple[object, ...]:
    news, known = look.news(row.version, row.cell), look.known(row.version, row.cell)
    since = past.since(look, row.version, row.cell)
    return row.outcome, news, known, row.attempts if row.flaky else (), _cause(row), look.age(row), since


def _cause(row: CellResult) -> str:
    return "" if row.outcome is Outcome.PASS else row.signature or row.reason


# -- cells and sums


def _cell(look: Lookup, scenario: Scenario, cell: str, group: range, links: Sequence[_Link]) -> CellView:
    first, link = look.row(look.versions[group.start], cell), links[group.start]
    return CellView(
        to=fragment(cell_anchor(scenario.id, cell, first.version)),
        version=first.version,
        mark=OUTCOMES[first.outcome],
        news=look.news_mark(first.version, cell),
        flaky=first.flaky,
        differs=link.differs,
        slight=tuple(index - group.start for index in group if links[index].slight),
        joins=link.joins,
        since=past.since(look, first.version, cell),
        count=len(group),
        last=look.versions[group[-1]] if len(group) > 1 else "",
    )


def _sum(look: Lookup, scenario: Scenario, group: range, joins: Sequence[bool]) -> Sum:
    version = look.versions[group.start]
    news = Counter(look.news(version, cell) for cell in scenario.cells)
    return Sum(
        chips=chips(look.by_scenario.get((scenario.id, version))),
        news=news_chips(news),
        version=version,
        joins=joins[group.start],
        count=len(group),
        last=look.versions[group[-1]] if len(group) > 1 else "",
    )
