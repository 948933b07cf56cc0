"""Timelines, "changed since", and the notices of a page that is out of date."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compatmatrix.history import History, snapshot
from compatmatrix.report.context import build
from compatmatrix.report.views import Page
from compatmatrix.results import Run

from . import factory

CELL = "llama/auto-model[untied,disk]"


def small_run() -> Run:
    """The small run without the column that has no environment."""
    run = factory.small_run()
    rows = tuple(row for row in run.results if row.version != "main")
    return run.model_copy(update={"columns": run.columns[:-1], "results": rows})


def runs() -> list[Run]:
    """Three runs, a week apart: the first two say the same, and in the third things changed."""
    before, now = factory.before_small_run(), small_run()
    week = timedelta(days=7)
    first = before.model_copy(update={"id": "first", "finished": now.finished - 2 * week})
    return [first, before.model_copy(update={"finished": now.finished - week}), now]


def told() -> Page:
    """The page of the last of them."""
    history = History([snapshot(run) for run in runs()])
    return build(small_run(), history=history, overdue_after=9)


@pytest.fixture(scope="module")
def page() -> Page:
    return told()


def test_the_runs_that_one_can_compare_with(page: Page) -> None:
    assert [run.id for run in page.runs] == ["2026-03-14-a", "2026-03-07-a", "first"]
    assert page.expected == "2026-03-23 09:33 UTC"


def test_a_cell_tells_what_it_did_in_which_runs(page: Page) -> None:
    detail = next(detail for item in page.scenarios for detail in item.details if detail.cell == CELL)
    told = {line.version: [(each.mark.word, each.runs) for each in line.moments] for line in detail.timelines}
    assert told["5.23.0"] == [("fail", "2 runs"), ("pass", "1 run")]
    assert detail.steady == ""


def test_a_cell_that_never_changed_says_so(page: Page) -> None:
    detail = next(detail for item in page.scenarios for detail in item.details if detail.cell == "llama/tie-first")
    assert detail.steady.startswith("It did the same in every run that had it: 3 runs since 2026-02-28")


def test_cells_know_the_run_in_which_they_changed(page: Page) -> None:
    cells = {(row.anchor, cell.version): cell for item in page.scenarios for row in item.rows for cell in row.cells}
    assert cells[CELL, "5.23.0"].since == 0
    assert cells["llama/tie-first", "5.23.0"].since is None


def test_without_a_history_nothing_is_said() -> None:
    page = build(factory.small_run())
    assert (page.runs, page.expected, page.complete) == ((), "", "")
    assert not any(detail.timelines or detail.steady for item in page.scenarios for detail in item.details)


def test_the_last_complete_run_is_named_where_it_is_not_this_one(page: Page) -> None:
    broken = factory.small_run()
    assert broken.columns[-1].failure
    history = History([snapshot(run) for run in (*runs()[:2], broken)])
    assert (build(broken, history=history).complete != "") == (not history.snapshots[-1].complete)
