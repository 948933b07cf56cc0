"""A known red cell that ends in another way is news: the ledger explains an outcome, not all that may change."""

from __future__ import annotations

import pytest

from compatmatrix import compare
from compatmatrix.errors import Exit
from compatmatrix.history import History, seen, snapshot
from compatmatrix.ledger import Ledger
from compatmatrix.results import CellResult, News, Outcome
from tests.core.test_compare import issue

from . import factory

CELL = "llama/auto[disk]"
ISSUES = tuple(issue(id=f"known-{kind}", versions="", outcome=kind) for kind in ("fail", "wrong"))
LEDGER = Ledger(issues=ISSUES)


def red(outcome: Outcome = Outcome.FAIL, **more: object) -> CellResult:
    return factory.row(CELL, "main", outcome, **more)


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (red(), red(), News.KNOWN),
        (red(), red(seconds=99.0, log="other"), News.KNOWN),
        (red(), red(signature="KeyError: x"), News.CHANGED),
        (red(), red(fingerprint={"a": 1}), News.CHANGED),
        (red(), red(warnings=("w",)), News.CHANGED),
        (red(), red(Outcome.WRONG), News.CHANGED),
        (red(Outcome.PASS), red(), News.KNOWN),
        (red(Outcome.NOT_RUN), red(signature="KeyError: x"), News.KNOWN),
        (None, red(), News.KNOWN),
    ],
)
def test_known_and_changed(before: CellResult | None, now: CellResult, expected: News) -> None:
    news, explained = compare.judge(now, factory.COLUMNS[1], before, LEDGER)
    assert news is expected
    assert explained is not None, "it keeps its issue"


def test_a_change_of_a_known_cell_is_told_by_the_exit_status() -> None:
    before = factory.run(0, red())
    after = compare.news(factory.run(1, red(signature="KeyError: x")), before, LEDGER)
    assert after.news == {"main": {CELL: News.CHANGED}} and after.known == {"main": {CELL: "known-fail"}}
    assert compare.exit_status(after) is Exit.NEWS
    assert compare.news(factory.run(2, red(signature="KeyError: x")), after, LEDGER).news == {
        "main": {CELL: News.KNOWN}
    }


PASS = Outcome.PASS


@pytest.mark.parametrize("gap", [Outcome.ENV_FAIL, Outcome.NOT_RUN, Outcome.SKIPPED])
@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (red(), red(PASS), News.FIXED),
        (red(), red(Outcome.UNSUPPORTED), News.CHANGED),
        (red(PASS), red(Outcome.UNSUPPORTED), News.REGRESSED),
        (red(PASS), red(PASS, fingerprint={"a": 1}), News.CHANGED),
        (red(PASS), red(PASS), News.NONE),
        (red(), red(), News.KNOWN),
        (red(), red(signature="KeyError: x"), News.CHANGED),
    ],
)
def test_a_gap_swallows_no_news(gap: Outcome, before: CellResult, now: CellResult, expected: News) -> None:
    runs = [factory.run(0, before), factory.run(1, red(gap)), factory.run(2, red(gap)), factory.run(3, now)]
    past = History(map(snapshot, runs[:-1]))
    assert past.last_answered("main", CELL) == seen(before)
    assert past.last_answered("main", "no/such-cell") is None
    judged = compare.news(runs[-1], runs[-2], LEDGER, past)
    assert judged.news.get("main", {}).get(CELL, News.NONE) is expected
    again = compare.news(runs[-1].model_copy(update={"id": "again"}), judged, LEDGER, past.and_also(snapshot(judged)))
    assert again.news.get("main", {}).get(CELL, News.NONE) in (News.NONE, News.KNOWN), "it is told once"
