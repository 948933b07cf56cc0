"""The page in headless Chromium: filters, permalinks, keyboard, without JavaScript, hostile text, widths."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compatmatrix.report import render

from . import factory
from .test_past import told as past_page
from .test_render import hostile_run

pytestmark = pytest.mark.browser

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CELL = "llama/auto-model[tied,auto]@4.46.3"
DETAILS = "details/llama.auto-model.html"
OWN = "[tied,auto]@4.46.3"
SECTION = "section[id='[tied,auto]']"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium, for example Debian's package of that name")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report")
    written = render.write(factory.small_run(), path, before=factory.before_small_run(), ledger=factory.LEDGER)
    return written.as_uri()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page whose errors, and whose attempts to reach the network, fail the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page, troubles = context.new_page(), []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None)
    page.on("request", lambda request: None if request.url.startswith("file:") else troubles.append(request.url))
    yield page
    context.close()
    assert not troubles


def shown_rows(page: Any) -> list[str]:
    rows: list[str] = page.eval_on_selector_all("tr.v", "rows => rows.filter(r => r.offsetParent).map(r => r.id)")
    return rows


def test_a_permalink_leads_to_the_row(page: Any, report: str) -> None:
    page.goto(f"{report}#llama/auto-model[tied,auto]")
    assert len(shown_rows(page)) == 5
    assert page.locator("tr.at").get_attribute("id") == "llama/auto-model[tied,auto]"
    assert page.locator("tr.at").bounding_box()["y"] < 900
    assert page.title().startswith("compatmatrix: 3 cells regressed")


@pytest.mark.parametrize("anchor", [CELL, "llama/auto-model%5Btied,auto%5D@4.46.3"])
def test_a_permalink_to_a_cell_marks_it(page: Any, report: str, anchor: str) -> None:
    page.goto(f"{report}#{anchor}")
    assert page.locator("tr.v td.at a").get_attribute("href") == f"{DETAILS}#{OWN}"


def test_the_details_of_a_cell(page: Any, report: str) -> None:
    page.goto(report.replace("index.html", f"{DETAILS}#{OWN}"))
    section = page.locator(SECTION)
    assert section.locator("h2").inner_text() == "llama/auto-model[tied,auto]"
    assert "weight is on the meta device" in section.inner_text()
    assert "--versions 4.46.3,4.50.dev --fresh 'llama/auto-model[tied,auto]'" in section.inner_text()
    assert section.locator("a:target").inner_text() == "4.46.3"
    section.locator("summary").first.click()
    assert "Traceback (most recent call last)" in section.inner_text()
    page.locator("a[rel=next]").first.click()
    assert page.locator("h1").inner_text() == "llama/tie-first"


def test_a_cell_opens_by_keyboard_and_back_leads_to_it(page: Any, report: str) -> None:
    page.goto(report)
    assert shown_rows(page) == ["llama/tie-first"]
    page.locator("[id='scenario:llama/auto-model'] summary").focus()
    page.keyboard.press("Enter")
    assert len(shown_rows(page)) == 5
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/details/"))
    assert page.url.endswith(f"{DETAILS}#[tied,disk]@4.46.3")
    page.go_back()
    assert len(shown_rows(page)) == 5
    assert page.evaluate("document.activeElement.getAttribute('href')").endswith("[tied,disk]@4.46.3")


def test_back_opens_the_cause_again(page: Any, report: str) -> None:
    page.goto(report)
    page.locator(".cause > summary").nth(1).click()
    page.locator(".cause[open] a.pill").first.click()
    page.wait_for_url(re.compile("/details/"))
    page.go_back()
    assert page.locator(".cause[open]").count() == 1


def test_filters_show_the_right_rows_and_live_in_the_address(page: Any, report: str) -> None:
    page.goto(report)
    page.locator("input[name=outcome][value=wrong]").check()
    assert shown_rows(page) == ["llama/auto-model[tied,disk]"]
    assert page.url.endswith("#?outcome=wrong")
    assert page.locator("#shown").inner_text() == "1 of 11 variants"
    page.locator("input[name=outcome][value=fail]").check()
    assert len(shown_rows(page)) == 5
    page.locator("select[name=family]").select_option("gemma3")
    assert shown_rows(page) == ["gemma3/text[CausalLM,disk]"]
    page.locator("tr.v:visible td.fail a").click()
    page.wait_for_url(re.compile("/details/gemma3.text.html"))
    page.go_back()
    assert shown_rows(page) == ["gemma3/text[CausalLM,disk]"]
    assert page.locator("td.at").count() == 1
    page.locator("#filters button[type=reset]").click()
    sync_api.expect(page.locator("#shown")).to_have_text("11 variants")
    assert "?" not in page.url


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("news=regressed", ["mini-gemini/forward[7b]"]),
        ("news=fixed,changed", ["llama/auto-model[untied,disk]", "mini-gemini/forward[2b]"]),
        ("q=untied+disk", ["llama/auto-model[untied,disk]"]),
        ("q=nothing-like-it", []),
        ("outcome=pass&news=regressed", []),
    ],
)
def test_filters_from_the_address(page: Any, report: str, query: str, rows: list[str]) -> None:
    page.goto(f"{report}#?{query}")
    assert shown_rows(page) == rows
    assert page.locator("#none").is_visible() == (not rows)


def test_without_javascript(browser: Any, report: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report)
    assert not page.locator("#filters").is_visible()
    page.locator("[id='scenario:llama/auto-model'] summary").click()
    link = page.locator(f"td a[href$='#{OWN}']")
    assert link.is_visible()
    link.click()
    page.wait_for_url(re.compile("/details/"))
    assert "weight is on the meta device" in page.locator(SECTION).inner_text()
    page.locator(SECTION).get_by_text("in the table").click()
    page.wait_for_url(re.compile("/index.html"))
    assert page.locator("tr:target").is_visible(), "the variants of the row's scenario are unfolded"
    context.close()


def test_hostile_text_runs_nothing(page: Any, tmp_path: Path) -> None:
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    page.goto(render.write(hostile_run(), tmp_path).as_uri())
    page.locator("#unfold").click()
    page.locator("tr.v td a").first.click()
    page.wait_for_url(re.compile("/details/"))
    assert "<script>alert(1)</script>" in page.locator("section.cell").inner_text()
    assert not dialogs


@pytest.mark.parametrize("width", [320, 360, 768, 1400])
def test_a_page_itself_never_scrolls_sideways(page: Any, report: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(report)
    page.locator("#unfold").click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.goto(report.replace("index.html", DETAILS))
    page.eval_on_selector_all("main details", "all => all.forEach(one => { one.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_header_and_first_column_stay_in_sight(page: Any, report: str) -> None:
    page.set_viewport_size({"width": 390, "height": 500})
    page.goto(report)
    page.locator("#unfold").click()
    box = page.locator("section#matrix .scroll")
    box.scroll_into_view_if_needed()
    box.evaluate("box => box.scrollTo(300, 300)")
    corner, frame = page.locator(".matrix thead th").first.bounding_box(), box.bounding_box()
    assert abs(corner["x"] - frame["x"]) < 2
    assert abs(corner["y"] - frame["y"]) < 3


# -- ranges, columns, and how a version stands to the one before it


@pytest.fixture(scope="module")
def dense(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Fourteen versions: neighbours that did the same are ranges from the start."""
    return render.write(factory.ranges_run(), tmp_path_factory.mktemp("dense")).as_uri()


def heads(page: Any) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        ".matrix thead th:not([hidden]) a", "all => all.map(one => one.textContent)"
    )
    return found


def texts(page: Any, row: str) -> list[str]:
    found: list[str] = page.eval_on_selector_all(
        f"tr[id='{row}'] td", "all => all.map(one => one.innerText.trim().replace(/\\s+/g, ' '))"
    )
    return found


def test_columns_that_are_the_same_in_every_row_are_one(page: Any, dense: str) -> None:
    page.goto(dense)
    groups = [
        "4.30.0–4.33.0",
        "4.34.0–4.35.0",
        "4.36.0",
        "4.37.0",
        "4.38.0–4.39.0",
        "4.40.0",
        "4.41.0–4.42.0",
        "4.43.0",
    ]
    assert heads(page) == groups
    assert texts(page, "llama/steady") == [
        "✓ pass 4.30.0–4.35.0",
        "✓ pass",
        "✓ pass 4.37.0–4.39.0",
        "✓ pass",
        "✓ pass 4.41.0–4.42.0",
        "◇ env-fail",
    ]
    assert page.locator("tr[id='llama/steady'] td").first.get_attribute("colspan") == "2"
    assert "14 of 14 versions in 8 columns" in page.locator("#shown").inner_text()


def test_a_filter_brings_more_columns_together(page: Any, dense: str) -> None:
    page.goto(f"{dense}#?q=steady")
    assert heads(page) == ["4.30.0–4.35.0", "4.36.0", "4.37.0–4.39.0", "4.40.0", "4.41.0–4.42.0", "4.43.0"]


def test_ranges_can_be_taken_apart_and_that_is_kept_in_the_address(page: Any, dense: str) -> None:
    page.goto(dense)
    page.locator("input[name=ranges]").uncheck()
    assert page.url.endswith("#?ranges=off")
    assert heads(page) == [column.version for column in factory.RANGES]
    assert texts(page, "llama/moves")[3:5] == ["✓ pass", "✓ pass ≢ placement"]
    links = page.eval_on_selector_all("tr[id='llama/steady'] a", "all => all.map(one => one.getAttribute('href'))")
    assert links == [f"details/llama.steady.html#steady@{column.version}" for column in factory.RANGES]
    marked = page.eval_on_selector_all("tr[id='llama/steady'] td.m", "all => all.map(one => one.cellIndex)")
    assert marked == [4], "only the version in which the warning appeared"
    page.reload()
    assert len(heads(page)) == 14
    page.locator("input[name=ranges]").check()
    assert len(heads(page)) == 8
    assert "?" not in page.url


def test_few_columns_can_be_brought_together(page: Any, report: str) -> None:
    page.goto(f"{report}#?ranges=on&q=tie-first")
    assert heads(page) == ["4.36.2–4.46.3", "4.50.dev", "5.23.0", "main"], "a substitute stays alone"
    assert texts(page, "llama/tie-first") == ["✓ pass 4.36.2–4.46.3", "✓ pass", "✓ pass", "◇ env-fail"]


def test_versions_can_be_picked_by_keyboard(page: Any, report: str) -> None:
    page.goto(report)
    page.locator(".picker summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert heads(page) == ["4.46.3", "4.50.dev", "5.23.0", "main"]
    assert page.url.endswith("versions=4.46.3,4.50.dev,5.23.0,main")
    assert page.locator("#picked").inner_text() == "4 of 5"
    page.goto(f"{report}#?versions=5.23.0&outcome=crash")
    page.reload()
    assert heads(page) == ["5.23.0"]
    assert shown_rows(page) == [], "the crash is in a version that is not shown"


def test_a_permalink_into_a_range_marks_it(page: Any, dense: str) -> None:
    page.goto(f"{dense}#llama/steady@4.38.0")
    assert "4.37.0–4.39.0" in page.locator("td.at").inner_text()
    page.goto(f"{dense}#oneke/breaks[b]@4.39.0?ranges=off")
    page.reload()
    assert page.locator("td.at a").get_attribute("href").endswith("#[b]@4.39.0")


def test_what_differs_from_the_version_before_can_be_found(page: Any, dense: str) -> None:
    page.goto(f"{dense}#?differs=clearly")
    assert shown_rows(page) == ["llama/moves", "oneke/breaks[a]", "oneke/breaks[b]"]
    page.locator("input[name=differs][value=clearly]").uncheck()
    page.locator("input[name=differs][value=slightly]").check()
    assert shown_rows(page) == ["llama/steady"]
    page.locator("tr[id='llama/steady'] td a").first.click()
    page.wait_for_url(re.compile("/details/"))
    assert "warns now" in page.locator("section.cell .steps").inner_text()
    assert "4.32.0 → 4.33.0" in page.locator("section.cell .steps").inner_text()


def test_ranges_without_javascript(browser: Any, dense: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(dense)
    assert len(heads(page)) == 14
    assert texts(page, "llama/steady")[0].startswith("✓ pass 4.30.0–4.35.0")
    assert page.locator("tr[id='llama/steady'] td").first.get_attribute("colspan") == "6"
    context.close()


# -- other runs, and time


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page with a history of three runs, the last of which finished months ago."""
    texts = render.pages(past_page())
    directory = tmp_path_factory.mktemp("told")
    for path, text in texts.items():
        (directory / path).parent.mkdir(exist_ok=True)
        (directory / path).write_text(text, encoding="utf-8")
    return (directory / "index.html").as_uri()


def test_changed_since_a_run(page: Any, told: str) -> None:
    page.goto(told)
    page.locator("select[name=since]").select_option("2026-03-07-a")
    assert "since=2026-03-07-a" in page.url
    assert "llama/auto-model[untied,disk]" in shown_rows(page)
    assert "llama/tie-first" not in shown_rows(page)


def test_a_page_that_is_overdue_says_so(page: Any, told: str) -> None:
    page.clock.set_fixed_time("2026-03-20T00:00:00Z")
    page.goto(told)
    assert not page.locator("#overdue").is_visible()
    assert "The next one is expected by 2026-03-23" in page.locator("p.lead").inner_text()
    page.clock.set_fixed_time("2026-04-14T12:00:00Z")
    page.reload()
    assert "the last run finished 31 days ago, and one is expected every 9" in page.locator("#overdue").inner_text()


def test_a_link_to_another_run_says_so(page: Any, told: str) -> None:
    page.goto(f"{told}#llama/auto-model[tied,auto]@4.46.3?run=first")
    notice = page.locator("#otherrun")
    assert "the link was made for run first, and this page shows run 2026-03-14-a" in notice.inner_text()
    assert notice.locator("a").get_attribute("href") == "runs/first.json"
    assert page.locator("td.at").count() == 1
    page.goto(f"{told}#?run=2026-03-14-a")
    page.reload()
    assert not notice.is_visible()


# -- size


def test_a_filter_answers_at_once(page: Any, tmp_path: Path) -> None:
    page.goto(render.write(factory.big_run(5, 40, 10), tmp_path).as_uri())
    took = page.evaluate(
        """() => { const box = document.querySelector('input[value=wrong]'); const begin = performance.now();
                   box.click(); document.body.offsetHeight; return performance.now() - begin; }"""
    )
    assert took < 500


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "address", ["index.html", f"index.html#{CELL}", "index.html#?outcome=wrong,timeout&ranges=on", f"{DETAILS}#{OWN}"]
)
def test_axe_finds_no_violation(browser: Any, report: str, scheme: str, address: str) -> None:
    axe = pytest.importorskip("axe_playwright_python", reason="needs the Python package axe-playwright-python")
    script = next(Path(axe.__file__).parent.rglob("axe*.js")).read_text(encoding="utf-8")
    # axe builds functions from strings, which the page's own policy forbids.
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.goto(report.replace("index.html", address))
    page.eval_on_selector_all("main details", "all => all.forEach(one => { one.open = true })")
    page.evaluate(script)
    found = page.evaluate("axe.run()")
    context.close()
    assert "color-contrast" in {rule["id"] for rule in found["passes"]}
    assert not [(rule["id"], node["html"]) for rule in found["violations"] for node in rule["nodes"]]
