"""A snapshot is small, and says of each cell what the run said."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix import compare
from compatmatrix.history import Snapshot, seen, snapshot
from compatmatrix.ledger import Ledger
from compatmatrix.results import CellResult, News, Outcome, Run
from tests.report import factory as report_factory

from . import factory

TEXTS = st.text(max_size=30)
ROWS = st.builds(
    CellResult,
    cell=st.just("x"),
    version=st.just("y"),
    outcome=st.sampled_from(Outcome),
    reason=TEXTS,
    signature=st.none() | TEXTS,
    fingerprint=st.dictionaries(TEXTS, st.integers() | TEXTS, max_size=2),
    warnings=st.tuples(TEXTS) | st.just(()),
    attempts=st.lists(st.sampled_from(Outcome), max_size=2).map(tuple),
)


def full(*different: CellResult) -> Run:
    return compare.news(factory.run(0, *different), None, Ledger())


@given(rows=st.lists(ROWS, min_size=6, max_size=6), news=st.lists(st.sampled_from(News), min_size=6, max_size=6))
def test_every_cell_comes_back_from_the_text_as_it_was(rows: list[CellResult], news: list[News]) -> None:
    places = [(shown.version, cell) for shown in factory.COLUMNS for cell in factory.CELLS]
    placed = [row.model_copy(update={"version": v, "cell": c}) for row, (v, c) in zip(rows, places, strict=True)]
    told: dict[str, dict[str, News]] = {}
    for (version, cell), kind in zip(places, news, strict=True):
        if kind is not News.NONE:
            told.setdefault(version, {})[cell] = kind
    kept = Snapshot.from_json(snapshot(factory.run(0, *placed, news=told)).to_json())
    for row, kind in zip(placed, news, strict=True):
        assert kept.seen(row.version, row.cell) == seen(row, kind)
    assert kept.news() == {kind: news.count(kind) for kind in News if kind is not News.NONE and kind in news}


def test_the_text_has_a_line_for_each_variant() -> None:
    red = factory.row("llama/auto[disk]", "main", Outcome.FAIL)
    lines = snapshot(full(red)).to_json().splitlines()
    [line] = [line for line in lines if line.startswith('"[disk]"')]
    words = json.loads("{" + line.rstrip(",") + "}")["[disk]"].split()
    assert words[0].startswith("p") and words[1].startswith("fN") and words[1].endswith("/0")
    assert '"ValueError: fail"' in lines


def test_neighbours_that_did_the_same_cost_one_character() -> None:
    lines = snapshot(full()).to_json().splitlines()
    assert all(line.rstrip(',"}').endswith(" =") for line in lines if line.startswith(('"[', '"":')))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"p', '"q'),
        (" =", " = ="),
        (" =", ""),
        ('"schema": 1', '"schema": 2'),
        ('"id"', '"ids"'),
        ("/0", "/7"),
        (
            "{",
            "",
        ),
    ],
)
def test_a_damaged_text_is_refused(old: str, new: str) -> None:
    text = snapshot(full(factory.row("llama/auto[disk]", "main", Outcome.FAIL))).to_json()
    assert old in text
    Snapshot.from_json(text)
    with pytest.raises(ValueError):
        Snapshot.from_json(text.replace(old, new, 1))


def test_a_snapshot_of_a_big_run_is_small() -> None:
    """Five columns, 800 variants, a third of them red, and neighbours that mostly differ."""
    text = snapshot(report_factory.big_run(5, 40, 20)).to_json()
    assert len(text.encode()) < 60_000


def test_a_run_that_says_the_same_is_tiny_and_can_be_read_again() -> None:
    first, second = snapshot(full()), snapshot(factory.run(1, news={}))
    assert first.says() == second.says()
    short = second.short(first)
    assert len(short.to_json()) < 300
    again = Snapshot.from_json(short.to_json()).full(first)
    assert again.cells == second.cells and again.finished == second.finished and again.id == "run-1"
    assert second.short(short).same_as == "run-0", "the file that holds the cells is named, not a chain"


def test_complete_means_that_everything_was_run() -> None:
    assert snapshot(full()).complete
    assert snapshot(full(factory.row("gemma3/text", "main", Outcome.WRONG))).complete, "red is an answer"
    assert not snapshot(full(factory.row("gemma3/text", "main", Outcome.NOT_RUN))).complete
