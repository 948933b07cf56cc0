"""Ranges: which neighbours join, which never do, and what is said of those that nearly do."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.report.context import build
from compatmatrix.report.views import CellView, Page
from compatmatrix.results import Outcome, Run

from . import factory


@pytest.fixture(scope="module")
def page() -> Page:
    return build(factory.ranges_run())


def cells(page: Page, scenario: str, row: int = 0) -> Sequence[CellView]:
    return next(item for item in page.scenarios if item.id == scenario).rows[row].cells


def told(page: Page, scenario: str, row: int = 0) -> list[str]:
    return [f"{cell.version}–{cell.last}" if cell.last else cell.version for cell in cells(page, scenario, row)]


def test_neighbours_that_did_the_same_are_one_cell(page: Page) -> None:
    assert page.dense
    ranges = ["4.30.0–4.35.0", "4.36.0", "4.37.0–4.39.0", "4.40.0", "4.41.0–4.42.0", "4.43.0"]
    assert told(page, "llama/steady") == ranges


def test_a_substitute_an_old_result_and_a_missing_environment_stay_alone(page: Page) -> None:
    for scenario in ("llama/steady", "llama/moves", "oneke/breaks"):
        for version in ("4.36.0", "4.40.0", "4.43.0"):
            (cell,) = [cell for cell in cells(page, scenario) if cell.version == version]
            assert (cell.count, cell.last) == (1, "")


def test_what_a_user_feels_parts_a_range_and_is_named(page: Page) -> None:
    assert told(page, "llama/moves")[:2] == ["4.30.0–4.33.0", "4.34.0–4.35.0"]
    assert [cell.differs for cell in cells(page, "llama/moves")[:3]] == [(), ("placement",), ()]
    assert told(page, "oneke/breaks")[2:4] == ["4.37.0", "4.38.0–4.39.0"]
    assert cells(page, "oneke/breaks")[3].differs == ("cause",)


def test_what_differs_inside_only_is_marked_where_it_happens(page: Page) -> None:
    first = cells(page, "llama/steady")[0]
    assert (first.slight, first.css) == ((3,), "m")
    assert cells(page, "llama/moves")[0].slight == ()


def test_sums_stand_in_ranges_only_where_all_variants_do(page: Page) -> None:
    item = next(item for item in page.scenarios if item.id == "oneke/breaks")
    rows = [sum_.version for sum_ in item.sums]
    assert rows == sorted({cell.version for row in item.rows for cell in row.cells})


def test_few_columns_stand_alone_and_know_that_they_join() -> None:
    run = factory.ranges_run()
    few = run.model_copy(update={"columns": run.columns[:5]})
    shown = cells(build(few), "llama/steady")
    assert [(cell.version, cell.joins, cell.slight) for cell in shown] == [
        ("4.30.0", False, ()),
        ("4.31.0", True, ()),
        ("4.32.0", True, ()),
        ("4.33.0", True, (0,)),
        ("4.34.0", True, ()),
    ]


@given(st.integers(min_value=0, max_value=10_000))
def test_ranges_lose_nothing(seed: int) -> None:
    """Every version is in exactly one cell of a row, in order, and that cell tells its own outcome and news."""
    run = _some_run(random.Random(seed))
    for item in build(run).scenarios:
        for row in item.rows:
            position = 0
            for cell in row.cells:
                group = run.columns[position : position + cell.count]
                assert cell.version == group[0].version
                assert cell.last == (group[-1].version if cell.count > 1 else "")
                outcomes = {run.result(column.version, row.anchor).outcome for column in group}
                assert [cell.mark.word] == [outcome.value for outcome in outcomes]
                assert cell.count == 1 or not any(column.substitute for column in group)
                position += cell.count
            assert position == len(run.columns)


def _some_run(random_: random.Random) -> Run:
    item = factory.scenario("llama/any", ("[a]", "[b]"))
    columns = list(factory.RANGES)
    columns[random_.randrange(14)] = factory.ranges_run().columns[6].model_copy(update={"version": "sub"})
    results = [
        factory.passed(cell, column.version, warnings=[random_.choice("xy")])
        if random_.random() < 0.6
        else factory.plain(cell, column.version, Outcome.FAIL, random_.choice("pq"))
        for column in columns
        for cell in item.cells
    ]
    return factory.run([item], results, columns)
