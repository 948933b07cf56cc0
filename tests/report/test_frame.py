"""Counts: one definition each, and they add up."""

from __future__ import annotations

import csv
import io

import pytest

from compatmatrix.report import frame
from compatmatrix.report.answers import verdict
from compatmatrix.report.context import build
from compatmatrix.results import Outcome, Run

from . import factory


@pytest.fixture(scope="module")
def run() -> Run:
    return factory.small_run()


def test_one_row_per_planned_cell(run: Run) -> None:
    table = frame.cells(run)
    planned = [(column.version, cell) for column in run.columns for item in run.scenarios for cell in item.cells]
    assert list(zip(table["version"], table["cell"], strict=True)) == planned


def test_every_count_adds_up(run: Run) -> None:
    table = frame.cells(run)
    total = frame.tally(table)
    assert total.total == len(run.results)
    assert {outcome for outcome, _ in total.counts} == set(Outcome), "the factory shows every outcome"
    for by in (["version"], ["family"], ["scenario"], ["family", "version"], ["scenario", "version"]):
        groups = frame.tallies(table, by)
        for outcome in Outcome:
            assert sum(group.of(outcome) for group in groups.values()) == total.of(outcome)
    assert sum(frame.news_counts(table).values()) == sum(len(cells) for cells in run.news.values())


def test_the_page_shows_the_same_numbers(run: Run) -> None:
    page = build(run)
    whole, *parts = page.figures
    assert whole.number == sum(part.number for part in parts) == len(run.results)
    assert sum(line.count for line in page.outcomes) == whole.number
    shown = sum(
        chip.count for family in page.families for row in family.scenarios for s in row.sums for chip in s.chips
    )
    assert shown == whole.number
    assert sum(cause.count for cause in page.causes) == sum(row.outcome.red for row in run.results)
    for answers in page.answers:
        for answer in answers.answers:
            assert sum(segment.width for segment in answer.bar) == 1000
    assert [
        sum(chip.count for family in page.answers[:-1] for chip in family.answers[index].chips)
        for index in range(len(run.columns))
    ] == [sum(chip.count for chip in answer.chips) for answer in page.answers[-1].answers]


@pytest.mark.parametrize(
    ("counts", "word", "told"),
    [
        ({Outcome.PASS: 4}, "works", "all 4"),
        ({Outcome.SKIPPED: 1, Outcome.PASS: 3}, "works", "3 of 4"),
        ({Outcome.UNSUPPORTED: 1, Outcome.PASS: 3}, "works", "3 of 4"),
        ({Outcome.FAIL: 1, Outcome.PASS: 3}, "partly", "3 of 4"),
        ({Outcome.NOT_RUN: 1, Outcome.PASS: 3}, "partly", "3 of 4"),
        ({Outcome.WRONG: 4}, "broken", "0 of 4"),
        ({Outcome.FAIL: 1, Outcome.UNSUPPORTED: 3}, "broken", "0 of 4"),
        ({Outcome.UNSUPPORTED: 4}, "unsupported", "all 4"),
        ({Outcome.ENV_FAIL: 4}, "unknown", "env-fail"),
        ({Outcome.SKIPPED: 4}, "unknown", "skipped"),
        ({}, "unknown", "no cells"),
    ],
)
def test_verdicts(counts: dict[Outcome, int], word: str, told: str) -> None:
    mark, text = verdict(frame.Tally(tuple(counts.items())))
    assert (mark.word, text) == (word, told)


def test_csv_has_every_cell_and_runs_no_formula(run: Run) -> None:
    first = run.results[0]
    hostile = run.model_copy(
        update={"results": (first.model_copy(update={"reason": '=HYPERLINK("http://x")'}), *run.results[1:])}
    )
    rows = list(csv.DictReader(io.StringIO(frame.to_csv(hostile))))
    assert len(rows) == len(run.results)
    assert tuple(rows[0]) == frame.COLUMNS
    assert rows[0]["reason"].startswith("'=")


def test_an_empty_run_is_a_run() -> None:
    page = build(factory.run((), (), ()))
    assert page.figures[0].number == 0
    assert page.causes == ()
