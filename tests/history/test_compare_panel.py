"""The panel that compares two versions: its script counts as :mod:`compatmatrix.report.diff` does."""

from __future__ import annotations

import itertools
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compatmatrix.report import diff, render, sides
from compatmatrix.report.compare_panel import KINDS, panel
from compatmatrix.report.diff import WORDS, Kind
from compatmatrix.report.lookup import Lookup
from compatmatrix.results import Run
from tests.report import factory

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def counts(run: Run, before: str, after: str) -> dict[Kind, int]:
    return diff.versions(sides.whole(run), before, after).counts


def test_neighbours_are_counted_as_a_diff_counts_them() -> None:
    run = factory.small_run()
    for pair in panel(Lookup(run, None, {})).neighbours:
        found = counts(run, pair.before, pair.after)
        assert pair.counts == tuple(found[kind] for kind in KINDS)
        assert sum(pair.counts) == sum(found.values()), "removed and added are never left out"


def test_rows_that_did_the_same_share_a_code() -> None:
    data = panel(Lookup(factory.big_run(5, 40, 20), None, {})).data
    assert len(data["rows"]) == 800
    assert len(str(data)) < 30_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
    if CHROMIUM is None:
        pytest.skip("needs Chromium, for example Debian's package of that name")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page whose errors fail the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page, troubles = context.new_page(), []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None)
    yield page
    context.close()
    assert not troubles


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    return render.write(factory.small_run(), tmp_path_factory.mktemp("report"), ledger=factory.LEDGER).as_uri()


def sentence(run: Run, before: str, after: str) -> str:
    found = counts(run, before, after)
    told = ", ".join(f"{found[kind]} {WORDS[kind]}" for kind in KINDS if found[kind])
    return f"{sum(found.values())} cells: {told}."


@pytest.mark.browser
def test_any_two_versions(page: Any, report: str) -> None:
    run = factory.small_run()
    page.goto(report)
    versions = [column.version for column in run.columns]
    for before, after in itertools.product(versions, versions):
        page.locator("#compare-form [name=from]").select_option(before)
        page.locator("#compare-form [name=to]").select_option(after)
        assert page.locator(".compare-sentence").inner_text() == sentence(run, before, after)
        assert f"--versions {before} {after}" in page.locator("#compare-command").inner_text()


@pytest.mark.browser
def test_many_versions_whose_rows_are_told_in_ranges(page: Any, tmp_path: Path) -> None:
    run = factory.big_run(16, 4, 5)
    written = render.write(run, tmp_path).as_uri()
    for before, after in (("4.30.0", "4.45.0"), ("4.37.0", "4.33.0")):
        page.goto(f"{written}#?from={before}&to={after}")
        assert page.locator(".compare-sentence").inner_text() == sentence(run, before, after)


@pytest.mark.browser
def test_the_lists_lead_to_the_cells_and_the_address_remembers(page: Any, report: str) -> None:
    page.goto(f"{report}#?from=4.36.2&to=4.46.3")
    fold = page.locator("#compare-answer details[data-kind=breaks]")
    assert fold.get_attribute("open") is not None
    names = fold.locator("a.pill").all_inner_texts()
    found = diff.versions(sides.whole(factory.small_run()), "4.36.2", "4.46.3").of(Kind.BREAKS)
    assert sorted(names) == sorted(re.sub(r"^[^[]+", "", pair.cell) or "cell" for pair in found)
    fold.locator("a.pill").first.click()
    assert page.locator("tr.v td.at").count() == 1
    page.locator("#compare-swap").click()
    assert "from=4.46.3" in page.url and "to=4.36.2" in page.url
    page.reload()
    assert page.locator("#compare-form [name=from]").input_value() == "4.46.3"


@pytest.mark.browser
def test_without_javascript_neighbours_are_a_table(browser: Any, report: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report)
    rows = page.locator(".compare tbody tr")
    assert rows.count() == len(factory.small_run().columns) - 1
    assert rows.first.is_visible() and not page.locator("#compare-form").is_visible()
    context.close()


@pytest.mark.browser
def test_the_panel_fits_a_phone(page: Any, report: str) -> None:
    page.set_viewport_size({"width": 320, "height": 700})
    page.goto(f"{report}#?from=4.36.2&to=4.46.3")
    page.eval_on_selector_all("#compare details", "all => all.forEach(one => { one.open = true })")
    assert page.evaluate("document.querySelector('#compare').scrollWidth") <= 320
