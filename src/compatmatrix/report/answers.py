"""The top of the page: the headline, the numbers, which version works for which family, and the news. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from compatmatrix.report import frame
from compatmatrix.report.addresses import cell_link, detail_file, family_anchor
from compatmatrix.report.display import NEWS, NEWS_MEANING, OUTCOMES, Mark, plural
from compatmatrix.report.lookup import Lookup, chips
from compatmatrix.report.views import Answer, FamilyAnswers, Figure, Meaning, NewsCell, NewsGroup, NewsItem, Segment
from compatmatrix.results import MEANING, News, Outcome

WORKS = Mark("✓", "works", "pass")
PARTLY = Mark("◐", "partly", "partly")
BROKEN = Mark("✗", "broken", "fail")
UNSUPPORTED = Mark("–", "unsupported", "unsupported")
UNKNOWN = Mark("?", "unknown", "unknown")

TOLD = 4
"""Cells with news that are named for one scenario and version; the others are counted."""


def headline(look: Lookup) -> tuple[str, str]:
    """The run in one sentence, and its tone: ``bad``, ``warn`` or ``good``."""
    counts = frame.news_counts(look.table)
    total = frame.tally(look.table)
    unmeasured = total.of(Outcome.ENV_FAIL) + total.of(Outcome.NOT_RUN)
    told = [
        f"{counts[news]:,} {word}"
        for news, word in (
            (News.REGRESSED, "regressed"),
            (News.NEW, "red and unexplained"),
            (News.CHANGED, "changed"),
            (News.FIXED, "fixed"),
        )
        if counts.get(news)
    ]
    if unmeasured:
        told.append(f"{unmeasured:,} not measured")
    bad = counts.get(News.REGRESSED, 0) + counts.get(News.NEW, 0)
    tone = "bad" if bad else "warn" if told else "good"
    if not told:
        return "No news: every cell is as it was, or explained", tone
    first, _, rest = told[0].partition(" ")
    return ", ".join([f"{first} {'cell' if first == '1' else 'cells'} {rest}", *told[1:]]), tone


def compared(look: Lookup) -> str:
    """What the news are judged against."""
    if look.run.compared_with:
        return f"compared with run {look.run.compared_with}"
    return "the first run: there is none to compare it with"


def figures(look: Lookup) -> tuple[Figure, ...]:
    """The headline numbers. Passed, red, unsupported and not answered add up to all cells."""
    total = frame.tally(look.table)
    red = [f"{number} {OUTCOMES[outcome].word}" for outcome, number in total.counts if outcome.red]
    silent = [f"{number} {OUTCOMES[outcome].word}" for outcome, number in total.counts if not outcome.answered]
    substitutes = sum(column.substitute is not None for column in look.run.columns)
    shape = f"{plural(len(look.versions), 'version')} × {plural(len(look.scenario_of), 'variant')}"
    if substitutes:
        shape += f"; {plural(substitutes, 'substitute')}"
    return (
        Figure(total.total, "cells planned", "all", shape),
        Figure(total.of(Outcome.PASS), "passed", "pass", "every tensor and output right"),
        Figure(total.red, "red", "fail", ", ".join(red) or "none"),
        Figure(total.of(Outcome.UNSUPPORTED), "unsupported", "unsupported", "the version says so"),
        Figure(total.total - total.answered, "not answered", "unknown", ", ".join(silent) or "none"),
    )


def verdict(tally: frame.Tally | None) -> tuple[Mark, str]:
    """Whether a version works for the cells of a tally.

    It works when every cell that it answered passes, none was left unanswered for want of an environment
    or of a run, and at least one passed. Skipped cells (hardware that is not there) do not count, and are named.
    """
    if tally is None or not tally.total:
        return UNKNOWN, "no cells"
    passed, unsupported, total = tally.of(Outcome.PASS), tally.of(Outcome.UNSUPPORTED), tally.total
    unmeasured = tally.of(Outcome.ENV_FAIL) + tally.of(Outcome.NOT_RUN)
    if tally.answered == 0:
        return UNKNOWN, OUTCOMES[tally.worst].word if tally.worst else ""
    told = f"{passed} of {total}" if passed < total else f"all {total}"
    if unmeasured:
        return PARTLY, told
    if unsupported == tally.answered:
        return UNSUPPORTED, f"all {total}" if unsupported == total else f"{unsupported} of {total}"
    return (WORKS if tally.red == 0 else PARTLY if passed else BROKEN), told


def answers(look: Lookup) -> tuple[FamilyAnswers, ...]:
    """One row per family, and the sum of all as the last row."""
    rows = [
        FamilyAnswers(
            family,
            family_anchor(family),
            tuple(_answer(version, look.by_family.get((family, version))) for version in look.versions),
        )
        for family in look.families
    ]
    everything = tuple(_answer(version, look.by_version.get((version,))) for version in look.versions)
    return (*rows, FamilyAnswers("all families", "", everything))


def _answer(version: str, tally: frame.Tally | None) -> Answer:
    mark, told = verdict(tally)
    return Answer(version, mark, told, chips(tally), _bar(tally))


def _bar(tally: frame.Tally | None) -> tuple[Segment, ...]:
    """The tally as a bar, the good end first; the last segment takes what rounding leaves."""
    if tally is None or not tally.total:
        return ()
    segments, start, seen = [], 0, 0
    for outcome, number in reversed(tally.counts):
        seen += number
        end = 1000 * seen // tally.total
        segments.append(Segment(OUTCOMES[outcome].css, start, end - start))
        start = end
    return tuple(segments)


def news(look: Lookup) -> tuple[NewsGroup, ...]:
    """What changed, worst first: known issues are no news and are left out."""
    counts = frame.news_counts(look.table)
    return tuple(
        NewsGroup(NEWS[kind], NEWS_MEANING[kind], counts[kind], _items(look, kind))
        for kind in News
        if kind.worth_telling and counts.get(kind)
    )


def _items(look: Lookup, kind: News) -> tuple[NewsItem, ...]:
    found = [
        (scenario.id, version, cell, variant.label)
        for scenario in look.run.scenarios
        for version in look.versions
        for cell, variant in zip(scenario.cells, scenario.variants, strict=True)
        if look.news(version, cell) is kind
    ]
    return tuple(
        NewsItem(
            scenario,
            detail_file(scenario),
            version,
            _news_cells(look, version, [entry[2:] for entry in group[:TOLD]]),
            max(len(group) - TOLD, 0),
        )
        for (scenario, version), group in (
            (key, list(entries)) for key, entries in groupby(found, key=lambda entry: entry[:2])
        )
    )


def _news_cells(look: Lookup, version: str, cells: Sequence[tuple[str, str]]) -> tuple[NewsCell, ...]:
    return tuple(
        NewsCell(
            label,
            cell_link(look.scenario_of[cell].id, cell, version),
            look.before(version, cell),
            OUTCOMES[look.row(version, cell).outcome],
        )
        for cell, label in cells
    )


def legend(look: Lookup) -> tuple[tuple[Meaning, ...], tuple[Meaning, ...]]:
    """Every outcome and every kind of news with its meaning, and how often it occurs here."""
    total, counts = frame.tally(look.table), frame.news_counts(look.table)
    outcomes = tuple(Meaning(OUTCOMES[outcome], MEANING[outcome], total.of(outcome)) for outcome in Outcome)
    told = tuple(Meaning(NEWS[kind], meaning, counts.get(kind, 0)) for kind, meaning in NEWS_MEANING.items())
    return outcomes, told
