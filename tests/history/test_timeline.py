"""Per cell, what changed when."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from compatmatrix import compare
from compatmatrix.history import History, snapshot, timeline
from compatmatrix.ledger import Ledger
from compatmatrix.results import News, Outcome, Run

from . import factory

CELL = "llama/auto[disk]"
RED = Outcome.FAIL


def history(*outcomes: Outcome) -> History:
    return History(snapshot(factory.run(n, factory.row(CELL, "main", each))) for n, each in enumerate(outcomes))


def test_runs_that_say_the_same_are_one_point() -> None:
    points = history(Outcome.PASS, Outcome.PASS, RED, RED, RED, Outcome.PASS).timeline("main", CELL)
    assert [(p.run, p.last, p.runs, p.seen.outcome, p.differs) for p in points] == [
        ("run-0", "run-1", 2, Outcome.PASS, ()),
        ("run-2", "run-4", 3, RED, ("outcome",)),
        ("run-5", "run-5", 1, Outcome.PASS, ("outcome",)),
    ]
    assert points[0].shows == "5.23.0 (for main)"


def test_the_order_of_the_files_does_not_matter() -> None:
    runs = [snapshot(factory.run(n, factory.row(CELL, "main", each))) for n, each in enumerate((RED, Outcome.PASS))]
    assert History(runs).timeline("main", CELL) == History([*runs[::-1], *runs]).timeline("main", CELL)


def test_a_point_says_in_what_it_differs_and_what_else_did() -> None:
    first = factory.run(0, factory.row(CELL, "main", RED))
    second = factory.run(1, factory.row(CELL, "main", RED, signature="KeyError: x"))
    moved = (factory.COLUMNS[0], factory.column("main", transformers="5.24.0.dev0", commit="c" * 40))
    third = factory.run(2, factory.row(CELL, "main", RED, signature="KeyError: x", warnings=("w",)), columns=moved)
    points = timeline([snapshot(run) for run in (first, second, third)], "main", CELL)
    assert [point.differs for point in points] == [(), ("cause",), ("behaviour",)]
    assert [point.with_it for point in points] == [(), (), ("version",)]
    assert points[2].shows == "5.24.0.dev0 at cccccccccccc"


def test_since_when() -> None:
    assert history(RED, RED).since("main", CELL) is None
    since = history(Outcome.PASS, RED, Outcome.ENV_FAIL, RED).since("main", CELL)
    assert since is not None and since.run == "run-1", "a run without an answer changes nothing"
    assert history().since("main", CELL) is None


def test_red_since() -> None:
    found = history(Outcome.PASS, RED, Outcome.WRONG, Outcome.SKIPPED, RED).red_since("main", CELL)
    assert found is not None and found[0].run == "run-1" and found[1].outcome is Outcome.PASS
    assert history(RED, RED).red_since("main", CELL) is None, "it was never better"
    assert history(RED, Outcome.PASS).red_since("main", CELL) is None, "it is not red"


def test_changed_since_a_run() -> None:
    told = history(Outcome.PASS, RED, RED)
    assert set(told.changed_since("run-0")) == {("main", CELL)}
    assert told.changed_since("run-1") == {}


@given(st.lists(st.sampled_from(Outcome), min_size=1, max_size=8))
def test_the_points_tell_every_run_once(outcomes: list[Outcome]) -> None:
    points = history(*outcomes).timeline("main", CELL)
    assert [point.seen.outcome for point in points for _ in range(point.runs)] == outcomes
    assert all(a.seen.did != b.seen.did for a, b in pairwise(points))


def judged(number: int, outcome: Outcome, before: Run | None, past: History) -> Run:
    return compare.news(factory.run(number, factory.row(CELL, "main", outcome)), before, Ledger(), past)


def test_a_regression_is_told_until_it_is_gone() -> None:
    """Judged against the last run alone it would be new in the second week, as if it had never worked."""
    past, before, told = History(), None, []
    for number, outcome in enumerate((Outcome.PASS, RED, RED, Outcome.PASS)):
        before = judged(number, outcome, before, past)
        past = past.and_also(snapshot(before))
        told.append(before.news.get("main", {}).get(CELL, News.NONE))
    assert told == [News.NONE, News.REGRESSED, News.REGRESSED, News.FIXED]


def test_what_never_worked_stays_new() -> None:
    first = judged(0, RED, None, History())
    assert judged(1, RED, first, History([snapshot(first)])).news == {"main": {CELL: News.NEW}}


def test_the_last_complete_run() -> None:
    last = history(Outcome.PASS, RED, Outcome.NOT_RUN).last_complete()
    assert last is not None and last.id == "run-1"
    assert history(Outcome.NOT_RUN).last_complete() is None
