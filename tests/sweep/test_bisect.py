"""The search for where a cell changed: pure, over all kinds of histories."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.bisect import Judge, Verdict, back, search
from compatmatrix.errors import SelectionError
from compatmatrix.flips import Seen
from compatmatrix.results import Outcome

GOOD, BAD, SKIP = Verdict.GOOD, Verdict.BAD, Verdict.SKIP
HISTORY = st.lists(st.sampled_from([GOOD, BAD, SKIP]), max_size=40).map(lambda middle: [GOOD, *middle, BAD])


@given(HISTORY, st.booleans())
def test_what_is_found_is_a_boundary_and_nothing_is_asked_twice(history: list[Verdict], backwards: bool) -> None:
    asked: list[int] = []

    def ask(index: int) -> Verdict:
        asked.append(index)
        return history[index]

    ends = (0, len(history) - 1)
    if backwards:
        history = history[::-1]
        ends = (ends[1], 0)
    found = search(*ends, ask)
    assert (history[found.good], history[found.bad]) == (GOOD, BAD)
    assert (found.good < found.bad) is not backwards
    assert all(history[index] is SKIP for index in found.skipped)
    assert len(found.skipped) == abs(found.bad - found.good) - 1
    assert len(asked) == len(set(asked))


@given(st.integers(1, 500), st.data())
def test_a_monotone_history_takes_logarithmic_many(length: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(1, length))
    asked: list[int] = []

    def ask(index: int) -> Verdict:
        asked.append(index)
        return BAD if index >= first else GOOD

    found = search(0, length, ask)
    assert (found.good, found.bad, found.skipped) == (first - 1, first, ())
    assert len(asked) <= length.bit_length()


def test_skipped_is_not_bad() -> None:
    history = [GOOD, GOOD, SKIP, SKIP, BAD, BAD]
    found = search(0, 5, history.__getitem__)
    assert (found.good, found.bad, found.skipped) == (1, 4, (2, 3))


def test_the_way_back_is_taken_in_growing_steps() -> None:
    asked: list[int] = []

    def ask(index: int) -> Verdict:
        asked.append(index)
        return GOOD if index <= 40 else BAD

    assert back(100, ask) == 37
    assert asked == [99, 97, 93, 85, 69, 37]
    assert back(3, lambda _: BAD) is None
    assert back(1, lambda _: GOOD) == 0
    assert back(0, lambda _: GOOD) is None


PASS, WRONG, FAIL, UNSUPPORTED = Outcome.PASS, Outcome.WRONG, Outcome.FAIL, Outcome.UNSUPPORTED


@pytest.mark.parametrize(
    ("good", "bad", "seen", "verdict"),
    [
        (Seen(PASS, "a"), Seen(WRONG, "b"), Seen(PASS, "other"), GOOD),
        (Seen(PASS, "a"), Seen(WRONG, "b"), Seen(FAIL, "other"), BAD),
        (Seen(PASS, "a"), Seen(WRONG, "b"), Seen(UNSUPPORTED, "c"), GOOD),
        (Seen(PASS, "a"), Seen(WRONG, "b"), Seen(Outcome.ENV_FAIL), SKIP),
        (Seen(PASS, "a"), Seen(WRONG, "b"), Seen(Outcome.SKIPPED), SKIP),
        (Seen(FAIL, "a"), Seen(WRONG, "b"), Seen(FAIL, "c"), GOOD),
        (Seen(FAIL, "a"), Seen(WRONG, "b"), Seen(PASS, "c"), BAD),
        (Seen(PASS, "a"), Seen(PASS, "b"), Seen(PASS, "c"), BAD),
        (Seen(PASS, "a"), Seen(PASS, "b"), Seen(PASS, "a"), GOOD),
    ],
)
def test_good_and_bad_are_told_by_what_the_ends_differ_in(good: Seen, bad: Seen, seen: Seen, verdict: Verdict) -> None:
    judge = Judge(good=good, bad=bad)
    assert (judge(good), judge(bad), judge(seen)) == (GOOD, BAD, verdict)


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        (Seen(PASS, "a"), Seen(PASS, "a"), "both ends do the same"),
        (Seen(Outcome.ENV_FAIL, told="conflict"), Seen(WRONG, "a"), "the good end gives no answer: env-fail: conflict"),
        (Seen(PASS, "a"), Seen(Outcome.NOT_RUN), "the bad end gives no answer"),
        (Seen(WRONG, "a"), Seen(PASS, "b"), "exchange --good and --bad"),
    ],
)
def test_ends_that_cannot_be_bisected(good: Seen, bad: Seen, told: str) -> None:
    with pytest.raises(SelectionError) as caught:
        Judge(good=good, bad=bad)
    assert told in str(caught.value)
