"""News: judged against the ledger and the last run."""

import datetime
import itertools
from typing import Any

import pytest

from compatmatrix import assemble, compare, plan
from compatmatrix.errors import Exit
from compatmatrix.ledger import Issue, Ledger
from compatmatrix.matrix import Matrix
from compatmatrix.results import CellResult, EnvFailure, EnvReason, News, Outcome, Run
from tests.core.factories import column, result, scenario

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
EMPTY = Ledger()


def issue(**more: Any) -> Issue:
    fields = {
        "id": "known-one",
        "title": "a known one",
        "cells": ("llama/*",),
        "versions": "<2",
        "outcome": "fail",
        "cause": "it is known",
        "review": "2027-01-01",
    }
    return Issue.model_validate({**fields, **more})


def news_of(now: CellResult, before: CellResult | None, ledger: Ledger = EMPTY) -> News:
    return compare.judge(now, column(), before, ledger)[0]


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (None, Outcome.PASS, News.NONE),
        (None, Outcome.FAIL, News.NEW),
        (None, Outcome.UNSUPPORTED, News.NONE),
        (Outcome.PASS, Outcome.FAIL, News.REGRESSED),
        (Outcome.PASS, Outcome.WRONG, News.REGRESSED),
        (Outcome.PASS, Outcome.UNSUPPORTED, News.REGRESSED),
        (Outcome.UNSUPPORTED, Outcome.PASS, News.FIXED),
        (Outcome.UNSUPPORTED, Outcome.FAIL, News.REGRESSED),
        (Outcome.FAIL, Outcome.PASS, News.FIXED),
        (Outcome.FAIL, Outcome.UNSUPPORTED, News.CHANGED),
        (Outcome.FAIL, Outcome.WRONG, News.REGRESSED),
        (Outcome.WRONG, Outcome.FAIL, News.NEW),
        (Outcome.FAIL, Outcome.FAIL, News.NEW),
        (Outcome.ENV_FAIL, Outcome.PASS, News.NONE),
        (Outcome.PASS, Outcome.ENV_FAIL, News.NONE),
        (Outcome.PASS, Outcome.NOT_RUN, News.NONE),
        (Outcome.SKIPPED, Outcome.FAIL, News.NEW),
    ],
)
def test_news(before: Outcome | None, now: Outcome, expected: News) -> None:
    earlier = result(outcome=before) if before else None
    assert news_of(result(outcome=now), earlier) is expected


def test_infrastructure_is_never_a_versions_news() -> None:
    for before, now in itertools.product(Outcome, Outcome):
        if not now.answered:
            assert news_of(result(outcome=now), result(outcome=before)) is News.NONE


def test_a_changed_fingerprint_is_news_although_both_pass() -> None:
    before = result(fingerprint={"dtype": "float32"})
    assert news_of(result(fingerprint={"dtype": "float32"}), before) is News.NONE
    assert news_of(result(fingerprint={"dtype": "float16"}), before) is News.CHANGED


def test_only_another_measurement_can_behave_differently(monkeypatch: pytest.MonkeyPatch) -> None:
    first = result(fingerprint={"a": 1}, key="k", measured_at=NOW)
    again = first.model_copy(update={"measured_at": NOW + datetime.timedelta(microseconds=1), "fingerprint": {"a": 2}})
    elsewhere = first.model_copy(update={"key": "l", "fingerprint": {"a": 2}})
    assert [news_of(now, first) for now in (again, elsewhere)] == [News.CHANGED, News.CHANGED]
    monkeypatch.setattr(CellResult, "fingerprint_digest", property(lambda _: pytest.fail("calculated in vain")))
    assert news_of(first.model_copy(), first) is News.NONE


def test_a_rewritten_scenario_makes_outcomes_news_and_no_fingerprints() -> None:
    before = a_run(result(fingerprint={"dtype": "float32"}))

    def kinds(now: Run, source: str) -> list[News]:
        scenarios = tuple(each.model_copy(update={"source_hash": source}) for each in now.scenarios)
        told = compare.news(now.model_copy(update={"scenarios": scenarios}), before, EMPTY).news
        return [kind for cells in told.values() for kind in cells.values()]

    otherwise = a_run(result(fingerprint={"dtype": "float32", "told since": 1}))
    assert kinds(otherwise, before.scenarios[0].source_hash) == [News.CHANGED]
    assert kinds(otherwise, "rewritten") == []
    assert kinds(a_run(result(outcome=Outcome.FAIL)), "rewritten") == [News.REGRESSED]


def test_the_ledger_explains_by_cell_version_outcome_and_signature() -> None:
    red = result(outcome=Outcome.FAIL, signature="ValueError: x[0] is bad @ a.b")
    ledger = Ledger(issues=(issue(signature="ValueError: x[0] *"),))
    assert news_of(red, result(), ledger) is News.KNOWN
    assert news_of(red, result(), Ledger(issues=(issue(signature=("KeyError*", "*is bad @ a.b")),))) is News.KNOWN
    for different in (
        issue(signature="KeyError*"),
        issue(cells=("gemma3/*",)),
        issue(versions=">=2"),
        issue(outcome="wrong"),
    ):
        assert news_of(red, result(), Ledger(issues=(different,))) is News.REGRESSED


def test_an_issue_that_matches_nothing_any_more_is_named() -> None:
    ledger = Ledger(issues=(issue(),))
    assert ledger.unmatched([result()], [column()]) == [issue()]
    assert ledger.unmatched([result(outcome=Outcome.FAIL)], [column()]) == []
    # Nothing was measured that it speaks of: it may still be true.
    assert ledger.unmatched([result(outcome=Outcome.ENV_FAIL)], [column()]) == []
    assert ledger.unmatched([result(version="3")], [column("3", "3.0")]) == []


def a_run(*rows: CellResult, failed: bool = False) -> Run:
    matrix = Matrix.model_validate({"python": "3.11", "versions": [{"id": "1.0", "sources": [{"pypi": "1.0"}]}]})
    planned = plan.make(matrix, [scenario(row.cell) for row in rows] or [scenario()], "probe")
    shown = column(failure=EnvFailure(reason=EnvReason.CONFLICT, message="no") if failed else None)
    keyed = {planned.key(shown, cell): row for cell, row in zip(planned.cells, rows, strict=False)}
    return assemble.assemble(planned, {"1.0": shown}, keyed, now=NOW)


@pytest.mark.parametrize(
    ("run", "before", "expected"),
    [
        (a_run(result()), None, Exit.OK),
        (a_run(result()), a_run(result()), Exit.OK),
        (a_run(result(outcome=Outcome.FAIL)), None, Exit.REGRESSED),
        (a_run(result(outcome=Outcome.FAIL)), a_run(result()), Exit.REGRESSED),
        (a_run(result()), a_run(result(outcome=Outcome.FAIL)), Exit.NEWS),
        (a_run(result(fingerprint={"a": 1})), a_run(result()), Exit.NEWS),
        (a_run(failed=True), None, Exit.INFRASTRUCTURE),
        (a_run(), None, Exit.INFRASTRUCTURE),
    ],
)
def test_exit_status(run: Run, before: Run | None, expected: Exit) -> None:
    assert compare.exit_status(compare.news(run, before, EMPTY)) is expected


def test_every_planned_cell_has_exactly_one_row() -> None:
    assert [row.outcome for row in a_run(failed=True).results] == [Outcome.ENV_FAIL]
    assert [row.outcome for row in a_run().results] == [Outcome.NOT_RUN]
