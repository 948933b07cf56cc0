"""The context against its golden file."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path

import pytest

from compatmatrix.report.context import build
from compatmatrix.report.views import Page

from . import factory

GOLDEN = Path(__file__).with_name("small.context.expected.json")
ACCEPT = "COMPATMATRIX_ACCEPT=1 python -m pytest tests/report/test_context.py"


@pytest.fixture(scope="module")
def page() -> Page:
    return build(factory.small_run(), before=factory.before_small_run(), ledger=factory.LEDGER)


def test_the_context_is_as_expected(page: Page) -> None:
    text = json.dumps(dataclasses.asdict(page), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("COMPATMATRIX_ACCEPT"):
        GOLDEN.write_text(text, encoding="utf-8")
    expected = GOLDEN.read_text(encoding="utf-8") if GOLDEN.exists() else ""
    assert text == expected, f"the context changed; look at the difference, and if it is meant:\n  {ACCEPT}"


def test_all_cells_of_the_table_have_a_drill_down(page: Page) -> None:
    targets = {anchor for detail in page.details for row in detail.rows for _, anchor in row.versions}
    cells = [cell for family in page.families for item in family.scenarios for row in item.rows for cell in row.cells]
    assert len(cells) == len(factory.small_run().results)
    assert {cell.anchor for cell in cells} == targets


def test_anchors_are_unique(page: Page) -> None:
    anchors = [anchor for detail in page.details for row in detail.rows for _, anchor in row.versions]
    anchors += [row.anchor for family in page.families for item in family.scenarios for row in item.rows]
    anchors += [item.anchor for family in page.families for item in family.scenarios]
    anchors += [detail.anchor for detail in page.details]
    anchors += [cause.anchor for cause in page.causes]
    anchors += [column.anchor for column in page.columns] + [family.anchor for family in page.families]
    assert len(anchors) == len(set(anchors))


def test_a_substitute_is_named_wherever_its_column_is(page: Page) -> None:
    column = next(column for column in page.columns if column.version == "4.50.dev")
    assert column.substitute == "4.50.0"
    assert column.because


def test_a_column_without_environment_says_why(page: Page) -> None:
    column = page.columns[-1]
    assert (column.failure, column.installed) == ("unreachable", "")
    assert "connection refused" in column.message


def test_news_show_what_was_before(page: Page) -> None:
    regressed = page.news[0]
    assert regressed.mark.word == "regressed"
    assert [cell.before and cell.before.word for item in regressed.items for cell in item.cells] == ["pass"] * 3


def test_causes_bin_red_cells_and_show_cures(page: Page) -> None:
    cause = next(cause for cause in page.causes if cause.known)
    assert cause.known is not None
    assert cause.count == 5
    assert cause.known.links == ("https://github.com/huggingface/transformers/issues/36766",)
    seen = {cure.scenario: [version for version, _ in cure.seen] for cure in cause.known.cures}
    assert seen == {"llama/tie-first": ["4.46.3", "4.50.dev"], "llama/gone": []}


def test_behaviours_get_letters_and_differences(page: Page) -> None:
    detail = next(detail for detail in page.details if detail.cell == "mini-gemini/forward[2b]")
    assert detail.letters == ("A", "B")
    assert dict(detail.behaviours)["model.dtypes"] == ("float32", "bfloat16")


def test_a_brief_page_tells_less_of_what_passes() -> None:
    page = build(factory.small_run(), brief=True)
    assert {detail.cell for detail in page.details} < {cell for s in factory.small_run().scenarios for cell in s.cells}
    told = {detail.cell for detail in page.details}
    cells = [cell for family in page.families for item in family.scenarios for row in item.rows for cell in row.cells]
    assert all(cell.told == (cell.anchor.rpartition("@")[0] in told) for cell in cells)
