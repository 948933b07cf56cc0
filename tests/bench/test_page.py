"""The page of figures: sections are replaced one by one, and goals are told plainly."""

import datetime
import math
import re
from pathlib import Path

import pytest

from benchmarks import page

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")


def test_a_section_that_is_not_measured_stays_as_it_is() -> None:
    first = page.page("", {"design": "ours\n\n| a |", "growth": "linear"})
    second = page.page(first, {"growth": "quadratic"})
    assert second == first.replace("linear", "quadratic")
    assert page.page(second, {}) == second


def test_sections_stand_in_their_order_whenever_they_are_measured() -> None:
    text = page.page(page.page("", {"report": "late"}), {"design": "early"})
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == [page.TITLES["design"], page.TITLES["report"]]


def test_the_page_is_one_that_the_benchmarks_would_keep() -> None:
    assert page.page(PAGE, {}) == PAGE


def test_a_section_says_when_and_where_it_was_measured() -> None:
    text = page.measured("| a |", datetime.date(2026, 11, 27))
    assert re.match(r"Measured on 2026-11-27: \d+ processors, \w+, Python 3\.\d+\.\d+\.\n\n\| a \|$", text)


def test_a_table_has_as_many_cells_in_each_line() -> None:
    assert page.table(["what", "ratio"], [["cells", "13×"]]) == "| what | ratio |\n| --- | --- |\n| cells | 13× |"
    with pytest.raises(ValueError, match="as many cells"):
        page.table(["what", "ratio"], [["cells"]])


def test_a_goal_that_is_not_met_says_so_and_why() -> None:
    assert page.goal("10×", met=True, found="13×", why="unsaid") == "Goal: 10×. **Met**: 13×."
    assert page.goal("10×", met=False, found="7×", why="Imports.") == "Goal: 10×. **Not met**: 7×. Imports."


def test_numbers_are_told_as_people_read_them() -> None:
    assert [page.seconds(value) for value in (0.123, 12.34, 1234.5)] == ["0.12 s", "12.3 s", "1,234 s"]
    assert [page.times(value) for value in (1.184, 13.25, math.nan)] == ["1.18×", "13.2×", "–"]
    assert page.percent(0.0184) == "1.8 %"
