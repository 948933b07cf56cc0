"""The context against its golden file."""

from __future__ import annotations

import dataclasses
import json
import os
from pathlib import Path
from urllib.parse import unquote

import pytest

from compatmatrix.report.context import build
from compatmatrix.report.views import Page
from compatmatrix.results import News

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
    for item in page.scenarios:
        targets = [anchor for detail in item.details for row in detail.rows for _, anchor, _ in row.versions]
        cells = [unquote(cell.to) for row in item.rows for cell in row.cells]
        assert sorted(cells) == sorted(targets)
        assert [row.anchor for row in item.rows] == [detail.row for detail in item.details]
    assert sum(len(row.cells) for item in page.scenarios for row in item.rows) == len(factory.small_run().results)
    assert len({item.page for item in page.scenarios}) == len(page.scenarios)


def test_anchors_are_unique(page: Page) -> None:
    anchors = [row.anchor for item in page.scenarios for row in item.rows]
    anchors += [item.anchor for item in page.scenarios]
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
    detail = next(detail for item in page.scenarios for detail in item.details if detail.cell.endswith("forward[2b]"))
    letters = [(found.letter, found.versions) for found in detail.fingerprints]
    assert letters == [("A", ("4.36.2", "4.46.3", "4.50.dev")), ("B", ("5.23.0",))]
    assert dict(detail.fingerprints[-1].facts)["model.dtypes"] == "bfloat16"
    assert [(step.before, step.after) for step in detail.steps] == [("4.50.dev", "5.23.0")]
    assert [(change.aspect, change.fact, change.told) for change in detail.steps[0].changes] == [
        ("dtypes", "model.dtypes", "now bfloat16; no longer float32"),
        ("warnings", "warns now", "`torch_dtype` is deprecated! Use `dtype` instead!"),
    ]


def test_details_tell_known_issues_and_every_red_version(page: Page) -> None:
    item = next(item for item in page.scenarios if item.id == "llama/auto-model")
    assert [known.id for known in item.known] == ["meta-dispatch"]
    first = item.details[0]
    assert first.repro == "compatmatrix run --versions 4.46.3,4.50.dev --fresh 'llama/auto-model[tied,auto]'"
    assert {finding.known_anchor for finding in first.findings} == {"known:meta-dispatch"}


def test_a_traceback_is_whole_in_the_details_told_once_and_cut_in_the_page() -> None:
    lines = [f"line {number}" for number in range(40)]
    cells = factory.scenario("llama/deep", ("[a]", "[b]", "[c]"))
    rows = [
        factory.failed(cell, "4.36.2", failure={"type": "E", "message": message, "traceback": "\n".join(lines)})
        for cell, message in zip(cells.cells, "xyz", strict=True)
    ]
    page = build(factory.run([cells], rows, factory.COLUMNS[:1]))
    findings = [detail.findings[0] for detail in page.scenarios[0].details]
    assert [finding.traceback.splitlines() for finding in findings] == [lines, [], []]
    assert [finding.traceback_in for finding in findings] == ["", "[a]", "[a]"]
    assert page.causes[0].traceback.splitlines() == ["… 28 lines", *lines[-12:]]


def test_news_of_many_cells_are_counted() -> None:
    many = factory.scenario("llama/many", tuple(f"[{number}]" for number in range(9)))
    rows = [factory.failed(cell, "4.36.2") for cell in many.cells]
    run = factory.run([many], rows, factory.COLUMNS[:1], news={"4.36.2": dict.fromkeys(many.cells, News.NEW)})
    group = build(run).news[0]
    assert (group.count, len(group.items[0].cells), group.items[0].more) == (9, 4, 5)
