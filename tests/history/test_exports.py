"""JUnit XML, the feed and the badges: well-formed whatever a library wrote, and counting as the run does."""

from __future__ import annotations

import datetime
import json
import re
import uuid
from xml.etree import ElementTree as Tree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.history import History, snapshot
from compatmatrix.report import badge, exports, feed, junit
from compatmatrix.results import Failure, News, Outcome, Run
from tests.report import factory as report_factory

from . import factory

junitparser = pytest.importorskip("junitparser", reason="needs the Python package junitparser")

CELL = "llama/auto[disk]"
ATOM = "{http://www.w3.org/2005/Atom}"
HOSTILE = "\x00\x1b[31m<b>]]>&amp;\ufffe\uffff\ud800\u202e\U0001f600"


# -- JUnit XML


def test_every_outcome_has_its_element() -> None:
    seen: dict[str, set[str]] = {}
    for case in Tree.fromstring(junit.text(report_factory.small_run())).iter("testcase"):
        [outcome] = [each.get("value", "") for each in case.iter("property") if each.get("name") == "outcome"]
        seen.setdefault(outcome, set()).add("".join(child.tag for child in case if child.tag != "properties"))
    assert seen == {outcome.value: {junit.ELEMENT[outcome]} for outcome in Outcome}


def test_junit_counts_are_the_runs() -> None:
    run = report_factory.small_run()
    parsed = junitparser.JUnitXml.fromstring(junit.text(run).encode())
    outcomes = [row.outcome for row in run.results]
    assert parsed.tests == len(outcomes)
    assert parsed.failures == sum(each in (Outcome.FAIL, Outcome.WRONG) for each in outcomes)
    assert parsed.skipped == sum(each in (Outcome.SKIPPED, Outcome.UNSUPPORTED, Outcome.NOT_RUN) for each in outcomes)
    assert parsed.tests - parsed.failures - parsed.errors - parsed.skipped == outcomes.count(Outcome.PASS)
    for name in ("tests", "failures", "errors", "skipped"):
        assert sum(getattr(suite, name) for suite in parsed) == getattr(parsed, name)
    written = (parsed.tests, parsed.failures, parsed.errors, parsed.skipped)
    parsed.update_statistics()
    assert written == (parsed.tests, parsed.failures, parsed.errors, parsed.skipped), "junitparser counts the same"


@given(told=st.text())
def test_junit_is_xml_whatever_a_library_wrote(told: str) -> None:
    for text in (told, HOSTILE + told):
        failure = Failure(type="E", message=text, traceback=text)
        row = factory.row(CELL, "main", Outcome.FAIL, reason=text, signature=text, failure=failure)
        root = Tree.fromstring(junit.text(factory.run(0, row)))
        [told_of] = root.iter("failure")
        assert told_of.get("type") == "fail" and "\x1b" not in (told_of.get("message") or "")


# -- the feed


def history(*runs: Run) -> History:
    return History(map(snapshot, runs))


def red(number: int, news: News, *more: str) -> Run:
    cells = (CELL, *more)
    rows = [factory.row(cell, "main", Outcome.FAIL) for cell in cells]
    return factory.run(number, *rows, news={"main": dict.fromkeys(cells, news)})


def check_atom(text: str) -> Tree.Element:
    """What RFC 4287 asks of a feed and its entries, as far as it concerns this one."""
    root = Tree.fromstring(text)
    assert root.tag == f"{ATOM}feed"
    known = {"id", "title", "updated", "author", "link", "entry", "content"}
    for element in (root, *root.findall(f"{ATOM}entry")):
        assert {child.tag for child in element} <= {ATOM + name for name in known}
        for name in ("id", "title", "updated"):
            [found] = element.findall(ATOM + name)
            assert found.text and found.text.strip()
        uuid.UUID((element.findtext(f"{ATOM}id") or "").removeprefix("urn:uuid:"))
        when = element.findtext(f"{ATOM}updated") or ""
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", when) and datetime.datetime.fromisoformat(when[:-1])
        links = [(link.get("rel"), link.get("type")) for link in element.findall(f"{ATOM}link")]
        assert len(links) == len(set(links)) and all(link.get("href") for link in element.findall(f"{ATOM}link"))
    assert root.find(f"{ATOM}author/{ATOM}name") is not None, "entries take the feed's author"
    ids = [entry.findtext(f"{ATOM}id") for entry in root.findall(f"{ATOM}entry")]
    assert len(ids) == len(set(ids))
    return root


def test_an_entry_for_each_run_with_something_to_tell() -> None:
    runs = [
        factory.run(0),
        red(1, News.REGRESSED),
        red(2, News.REGRESSED),
        red(3, News.REGRESSED, "gemma3/text"),
        red(4, News.KNOWN, "gemma3/text"),
        factory.run(5, news={"main": {CELL: News.FIXED}}),
    ]
    root = check_atom(feed.text(history(*runs)))
    titles = [entry.findtext(f"{ATOM}title") for entry in root.findall(f"{ATOM}entry")]
    assert titles == ["1 cell: 1 fixed", "1 cell: 1 regressed", "1 cell: 1 regressed"]
    contents = [entry.findtext(f"{ATOM}content") or "" for entry in root.findall(f"{ATOM}entry")]
    assert "gemma3/text" in contents[1] and CELL not in contents[1], "what was told already is not told again"


def test_ids_do_not_depend_on_later_runs_or_on_the_place() -> None:
    def ids(text: str) -> set[str]:
        return set(re.findall(r"<entry>\s*<id>([^<]+)", text))

    first = history(factory.run(0), red(1, News.REGRESSED))
    later = history(factory.run(0), red(1, News.REGRESSED), factory.run(2, news={"main": {CELL: News.FIXED}}))
    assert ids(feed.text(first)) < ids(feed.text(later))
    assert ids(feed.text(first)) == ids(feed.text(first, "https://example.org/x"))


def test_links_are_relative_or_of_the_site() -> None:
    told = history(factory.run(0), red(1, News.NEW), red(2, News.NEW, "gemma3/text"))
    root = check_atom(feed.text(told, "https://example.org/x/"))
    links = [link.get("href") or "" for link in root.iter(f"{ATOM}link")]
    assert links[:2] == ["https://example.org/x/index.html", "https://example.org/x/feed.xml"]
    assert links[2:] == ["https://example.org/x/index.html#news", "https://example.org/x/runs/run-1.json"]
    relative = [link.get("href") or "" for link in check_atom(feed.text(told)).iter(f"{ATOM}link")]
    assert relative == ["index.html", "index.html#news", "runs/run-1.json"]


def test_a_feed_without_news_is_a_feed() -> None:
    assert not check_atom(feed.text(history(factory.run(0)))).findall(f"{ATOM}entry")


def test_hostile_text_in_a_feed() -> None:
    row = factory.row(CELL, "main", Outcome.FAIL, signature=f"<script>alert(1)</script>{HOSTILE}")
    root = check_atom(feed.text(history(factory.run(0, row, news={"main": {CELL: News.NEW}}))))
    content = root.findtext(f"{ATOM}entry/{ATOM}content") or ""
    assert "&lt;script&gt;" in content and "<script" not in content


# -- badges


@pytest.mark.parametrize(
    ("run", "message", "colour"),
    [
        (factory.run(0), "no news · 2026-03-01", badge.GOOD),
        (red(0, News.KNOWN), "no news · 2026-03-01", badge.GOOD),
        (red(0, News.REGRESSED), "1 regressed · 2026-03-01", badge.BAD),
        (red(0, News.NEW, "gemma3/text"), "2 unexplained · 2026-03-01", badge.BAD),
        (factory.run(0, news={"main": {CELL: News.FIXED}}), "1 fixed · 2026-03-01", badge.WARN),
        (factory.run(0, factory.row(CELL, "main", Outcome.NOT_RUN)), "1 not measured · 2026-03-01", badge.WARN),
    ],
)
def test_the_badge_tells_the_news_and_the_day(run: Run, message: str, colour: str) -> None:
    told = badge.overall(run)
    assert (told.message, told.colour) == (message, colour)
    assert json.loads(told.endpoint()) == {
        "schemaVersion": 1,
        "label": "compatmatrix",
        "message": message,
        "color": colour,
    }


def test_a_versions_badge_counts_what_it_answered_and_names_a_substitute() -> None:
    skipped = factory.row("gemma3/text", "main", Outcome.SKIPPED)
    files = badge.files(factory.run(0, factory.row(CELL, "main", Outcome.FAIL), skipped))
    told = json.loads(files["badges/main.json"])
    assert told["message"] == "1 of 2 pass (5.23.0) · 2026-03-01"
    assert told["color"] == badge.WARN
    assert json.loads(files["badges/4.46.3.json"])["message"] == "3 of 3 pass · 2026-03-01"


@pytest.mark.parametrize("outcome", [Outcome.NOT_RUN, Outcome.ENV_FAIL])
def test_a_versions_badge_is_not_green_where_cells_were_not_measured(outcome: Outcome) -> None:
    told = json.loads(badge.files(factory.run(0, factory.row(CELL, "main", outcome)))["badges/main.json"])
    assert told["message"].startswith("2 of 2 pass, 1 not measured (5.23.0)")
    assert told["color"] == badge.WARN


def test_a_badge_is_a_picture_with_a_text() -> None:
    root = Tree.fromstring(badge.Badge("a & b", "<c>", badge.GOOD).svg())
    assert root.get("role") == "img" and root.get("aria-label") == "a & b: <c>"
    assert root.findtext("{http://www.w3.org/2000/svg}title") == "a & b: <c>"


@pytest.mark.parametrize("colour", [badge.GOOD, badge.WARN, badge.BAD, badge.UNKNOWN, "#3b3f46"])
def test_white_text_can_be_read_on_every_colour(colour: str) -> None:
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in channels]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    assert 1.05 / (luminance + 0.05) >= 4.5


# -- together


def test_a_selection_has_no_feed_and_no_badges() -> None:
    run = factory.run(0)
    assert set(exports.files(run, None, None)) == {"junit.xml"}
    published = exports.files(run, None, exports.Published())
    assert set(published) == {
        "junit.xml",
        "feed.xml",
        "badge.svg",
        "badge.json",
        *(f"badges/{version}.{kind}" for version in ("4.46.3", "main") for kind in ("svg", "json")),
    }
    assert published == exports.files(run, None, exports.Published()), "the same run gives the same bytes"
