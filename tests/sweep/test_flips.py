"""Ranges and flips over many releases."""

from __future__ import annotations

from datetime import datetime, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.flips import Belief, Change, Flip, Place, Seen, Sheet, boundaries, flips, seen, spans
from compatmatrix.results import Column, Outcome
from tests.core.factories import result, scenario

OUTCOMES = st.sampled_from(list(Outcome))
ROWS = st.lists(st.builds(Seen, OUTCOMES, st.sampled_from(["", "a", "b"])), min_size=1, max_size=30)

P, W, F, E, N, S = Outcome.PASS, Outcome.WRONG, Outcome.FAIL, Outcome.ENV_FAIL, Outcome.NOT_RUN, Outcome.SKIPPED


def sheet(*rows: list[Seen], cell: str = "llama/plain") -> Sheet:
    """One scenario with a cell for each row."""
    labels = [""] if len(rows) == 1 else [f"[{number}]" for number in range(len(rows))]
    one = scenario(cell, *labels)
    places = tuple(
        Place(version=f"4.{number}.0", column=Column(version=f"4.{number}.0")) for number in range(len(rows[0]))
    )
    cells = {id: tuple(row) for id, row in zip(one.cells, rows, strict=True)}
    return Sheet(specifier=">=4", places=places, scenarios=(one,), cells=cells)


def row(*outcomes: Outcome) -> list[Seen]:
    return [Seen(outcome, key=f"k{index}") for index, outcome in enumerate(outcomes)]


@given(ROWS)
def test_ranges_hold_every_release_once_and_jump_over_none(some: list[Seen]) -> None:
    found = spans(some)
    covered = [index for span in found for index in range(span.first, span.last + 1)]
    assert covered == list(range(len(some)))
    for span in found:
        assert {each.outcome for each in some[span.first : span.last + 1]} == {span.outcome}
        assert span.releases == span.last - span.first + 1
    assert all(before.outcome is not after.outcome for before, after in pairwise(found))


@given(ROWS)
def test_a_flip_has_answers_on_both_sides_and_none_between(some: list[Seen]) -> None:
    found = flips(sheet(some))
    answered = [index for index, each in enumerate(some) if each.outcome.answered]
    for flip in found:
        assert some[flip.before].mark != some[flip.after].mark
        assert {flip.before, flip.after} <= set(answered)
        assert not any(index in answered for index in range(flip.before + 1, flip.after))
    marks = [some[index].mark for index in answered]
    assert len(found) == sum(before != after for before, after in pairwise(marks))


def test_behaviour_is_neither_monotone_nor_binary() -> None:
    some = row(P, P, W, E, W, F, P, N, P)
    told = [(span.outcome.value, span.first, span.last) for span in spans(some)]
    assert told == [
        *(("pass", 0, 1), ("wrong", 2, 2), ("env-fail", 3, 3), ("wrong", 4, 4)),
        *(("fail", 5, 5), ("pass", 6, 6), ("not-run", 7, 7), ("pass", 8, 8)),
    ]
    found = flips(sheet(some))
    assert [(flip.before, flip.after, flip.change) for flip in found] == [
        (1, 2, Change.WORSE),
        (4, 5, Change.BETTER),
        (5, 6, Change.BETTER),
    ]


def test_what_lies_unmeasured_within_a_flip_is_named() -> None:
    (boundary,) = boundaries(sheet(row(P, E, S, W)), flips(sheet(row(P, E, S, W))))
    assert (boundary.before, boundary.between, boundary.after) == ("4.0.0", ("4.1.0", "4.2.0"), "4.3.0")
    assert boundary.count(Change.WORSE) == 1


def test_flips_are_folded_by_boundary_and_scenario() -> None:
    three = sheet(row(P, P, W), row(P, P, W), row(P, F, P))
    found = boundaries(three, flips(three))
    assert [(each.before, each.after) for each in found] == [("4.0.0", "4.1.0"), ("4.1.0", "4.2.0")]
    assert [len(changed.cells) for changed in found[1].changed] == [2, 1]
    assert (found[1].count(Change.WORSE), found[1].count(Change.BETTER)) == (2, 1)


@pytest.mark.parametrize(
    ("old", "new", "belief"),
    [
        ([], [], Belief.SEEN),
        (["pass:"] * 3, [], Belief.SEEN),
        (["pass:"] * 3, ["wrong:"] * 3, Belief.CONFIRMED),
        (["pass:"] * 3, ["wrong:", "pass:", "wrong:"], Belief.FLAKY),
        (["pass:", "fail:", "pass:"], [], Belief.FLAKY),
        (["wrong:"] * 3, ["wrong:"] * 3, Belief.FLAKY),
    ],
)
def test_a_flip_is_believed_when_both_sides_repeat(old: list[str], new: list[str], belief: Belief) -> None:
    repeats = {key: marks for key, marks in (("k0", old), ("k1", new)) if marks}
    (flip,) = flips(sheet(row(P, W)), repeats)
    assert flip.belief is belief


def test_what_a_cell_did_is_kept_in_few_words() -> None:
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    green = seen(result(fingerprint={"a": 1}, key="k", measured_at=now, reason="2 checks held"))
    other = seen(result(fingerprint={"a": 2}))
    assert (green.outcome, green.key, green.measured_at, green.told) == (P, "k", now, "2 checks held")
    assert green.behaviour != other.behaviour
    red = [
        seen(result(outcome=F, signature=text, fingerprint={"a": number}))
        for text, number in (("x", 1), ("x", 2), ("y", 1))
    ]
    assert red[0].mark == red[1].mark != red[2].mark
    assert seen(result(outcome=W, signature="x")).mark != red[0].mark
    assert seen(result(outcome=S, reason="no card")).behaviour == ""
    assert seen(result(outcome=F, signature="a\x1b[31m\n" + "b" * 999)).told.isprintable()


def test_how_the_machines_memory_ended_is_no_behaviour_and_how_a_cards_did_is_one() -> None:
    """Either the allocator is refused some, or the watch sees it first."""
    allocator = "RuntimeError: [enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"
    cards = [f"torch.OutOfMemoryError: CUDA out of memory. GPU {number} has a capacity" for number in (0, 1)]
    watched = result("llama/plain", outcome=Outcome.OOM, reason="used more memory than the policy allows")
    refused = result("llama/plain", outcome=Outcome.OOM, reason="raised", signature=allocator)
    assert seen(watched).mark == seen(refused).mark
    full = [seen(result("llama/plain", outcome=Outcome.OOM, reason="raised", signature=card)).mark for card in cards]
    assert len({seen(watched).mark, *full}) == 3


def test_a_flaky_cell_makes_no_firm_flip() -> None:
    shaky = Seen(W, flaky=True, key="k1")
    (flip,) = flips(sheet([Seen(P, key="k0"), shaky]), {"k0": ["pass:"] * 3, "k1": ["wrong:"] * 3})
    assert flip == Flip(cell="llama/plain", before=0, after=1, old=Seen(P, key="k0"), new=shaky, belief=Belief.FLAKY)
