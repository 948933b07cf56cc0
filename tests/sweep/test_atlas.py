"""The atlas: its context against a golden file, its page complete, self-contained and safe, its data as documented."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from compatmatrix.atlas import Atlas
from compatmatrix.errors import StorageError
from compatmatrix.flips import flips
from compatmatrix.report import atlas, atlas_page, render
from compatmatrix.results import Outcome
from tests.report.factory import small_run
from tests.report.test_render import HOSTILE, Reader
from tests.sweep import factory
from tests.sweep.factory import NOW

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
GOLDEN = Path(__file__).with_name("small.atlas.expected.json")
ACCEPT = "COMPATMATRIX_ACCEPT=1 python -m pytest tests/sweep/test_atlas.py"


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return atlas_page.files(factory.small(), factory.small_flips(), now=NOW)


def test_the_context_is_as_expected() -> None:
    page = atlas.build(factory.small(), factory.small_flips(), now=NOW)
    text = json.dumps(dataclasses.asdict(page), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("COMPATMATRIX_ACCEPT"):
        GOLDEN.write_text(text, encoding="utf-8")
    expected = GOLDEN.read_text(encoding="utf-8") if GOLDEN.exists() else ""
    assert text == expected, f"the context changed; look at the difference, and if it is meant:\n  {ACCEPT}"


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_ranges_in_words(texts: dict[str, str]) -> None:
    shown = words(texts["index.html"])
    for told in (
        "≠ 2 wrong ✓ 1 pass 4.37.0–4.38.0 (yanked)",
        "◇ 3 env-fail 4.38.1",
        "2 cells [a] [b] ✓ pass 4.36.0–4.36.1 ≠ wrong 4.37.0–4.38.0 (yanked) behaves in 2 ways",
        "– unsupported 4.36.0–4.38.0 (yanked)",
        "4.38.0 → 4.39.0 ▼ 1 worse ▲ 2 better",
        "not measured between: 4.38.1",
        "yanked : it loses &lt;weights&gt;",
        "no environment : conflict: tokenizers&lt;1",
    ):
        assert told in shown, told


def test_the_picture_says_what_the_words_say(texts: dict[str, str]) -> None:
    page = atlas.build(factory.small(), factory.small_flips(), now=NOW)
    for family in page.families:
        for strip in family.strips:
            edges = [(stretch.x, stretch.x + stretch.width) for stretch in strip.stretches]
            assert edges[0][0] == 0
            assert edges[-1][1] == page.width
            assert all(before[1] == after[0] for before, after in pairwise(edges))
            for stretch in strip.stretches:
                assert sum(bar.height for bar in stretch.bars) == page.height
                assert [bar.css for bar in stretch.bars] == [chip.mark.css for chip in stretch.chips]
    reader = Reader(texts["index.html"])
    pictures = [attrs for tag, attrs in reader.tags if tag == "svg" and attrs.get("role") == "img"]
    assert len(pictures) == len(factory.small().scenarios)
    assert {attrs["aria-labelledby"] for attrs in pictures} <= set(reader.all("id"))


def test_the_page_needs_nothing_from_elsewhere(texts: dict[str, str]) -> None:
    page = Reader(texts["index.html"])
    assert not [tag for tag, _ in page.tags if tag in ("link", "img", "iframe", "object", "embed", "base", "script")]
    assert not page.all("src")
    assert not page.all("style")
    policy = next(attrs["content"] or "" for _, attrs in page.tags if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "script-src" not in policy
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    for href in page.all("href"):
        assert (href[1:] and unquote(href[1:]) in ids) if href.startswith("#") else href in texts


def test_hostile_text_is_only_text() -> None:
    sheet = factory.small()
    cells = {**sheet.cells, "gemma3/text": factory.row("gemma3/text", "ffffeff", HOSTILE)}
    places = (dataclasses.replace(sheet.places[0], yanked=HOSTILE), *sheet.places[1:])
    bad = dataclasses.replace(sheet, cells=cells, places=places, specifier=HOSTILE)
    files = atlas_page.files(bad, flips(bad), now=NOW)
    assert "<script" not in files["index.html"]
    for text in files.values():
        assert "hf_aaaaaaaa" not in text
        assert "secret@" not in text
        assert "\u202e" not in text
        assert "\x1b" not in text


def test_the_data_is_what_the_models_say(texts: dict[str, str]) -> None:
    told = Atlas.model_validate_json(texts["atlas.json"])
    assert [each.version for each in told.releases if each.yanked] == ["4.38.0"]
    assert [each.version for each in told.releases if each.failure] == ["4.38.1"]
    order = {release.version: index for index, release in enumerate(told.releases)}
    for cell in told.cells:
        covered = [index for span in cell.spans for index in range(order[span.first], order[span.last] + 1)]
        assert covered == list(range(len(order)))
        assert sum(span.releases for span in cell.spans) == len(order)
    assert len(told.flips) == len(factory.small_flips())
    assert {flip.belief.value for flip in told.flips} == {"seen once", "confirmed", "flaky"}
    (through,) = (flip for flip in told.flips if flip.cell == "gemma3/text" and flip.old is Outcome.UNSUPPORTED)
    assert (through.before, through.between, through.after) == ("4.38.0", ("4.38.1",), "4.39.0")


def test_the_table_opens_in_a_spreadsheet_without_running_anything() -> None:
    sheet = factory.small()
    bad = dataclasses.replace(sheet, cells={**sheet.cells, "gemma3/text": factory.row("gemma3/text", "f" * 7, "=1+1")})
    lines = list(csv.DictReader(io.StringIO(atlas_page.files(bad, (), now=NOW)["atlas.csv"])))
    assert [line for line in lines if line["cell"] == "gemma3/text"] == [
        {
            **{"scenario": "gemma3/text", "cell": "gemma3/text", "outcome": "fail", "first": "4.36.0", "last": "5.0.0"},
            **{"releases": "7", "behaviours": "1", "told": "'=1+1"},
        }
    ]


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        atlas_page.write(factory.small(), (), tmp_path / "file" / "atlas", now=NOW)


def test_the_atlas_and_the_report_lead_to_one_another(tmp_path: Path) -> None:
    def atlas_text() -> str:
        return atlas_page.write(factory.small(), (), tmp_path / "atlas", now=NOW).read_text(encoding="utf-8")

    def report_text() -> str:
        return render.write(small_run(), tmp_path).read_text(encoding="utf-8")

    assert 'href="../index.html"' not in atlas_text()
    (tmp_path / "atlas" / "index.html").unlink()
    assert "Every release" not in report_text()
    assert '<a href="../index.html">The matrix</a>' in atlas_text()
    assert '<a href="atlas/index.html">Every release</a>' in report_text()


def test_the_whole_history_fits() -> None:
    sheet = factory.big()
    began = time.monotonic()
    found = flips(sheet)
    files = atlas_page.files(sheet, found, now=NOW)
    assert len(sheet.cells) * len(sheet.places) == 104_000
    assert len(files["index.html"]) < 6_000_000
    assert time.monotonic() - began < 60


@pytest.fixture(scope="module")
def browser_page(texts: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, str]]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium, for example Debian's package of that name")
    file = tmp_path_factory.mktemp("atlas") / "index.html"
    file.write_text(texts["index.html"], encoding="utf-8")
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser.new_page(), file.as_uri()
        browser.close()


@pytest.mark.browser
@pytest.mark.parametrize("width", [320, 360, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser(browser_page: tuple[Any, str], width: int, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe").Axe()
    page, address = browser_page
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text))
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(address)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert problems == []
    if width != 320:
        found = axe.run(page, options={"resultTypes": ["violations"]})
        assert found.violations_count == 0, found.generate_report()
