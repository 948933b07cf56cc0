"""One version, or the fewest, or none: against brute force."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compatmatrix.errors import Exit
from compatmatrix.pins import Advice, Prefer, advise, candidates, needs
from compatmatrix.pins.cover import smallest_cover
from compatmatrix.pins.evidence import weigh
from compatmatrix.results import Run
from tests.pins.making import LETTERS, column, runs_of, substitute
from tests.pins.making import run as run_of

VERSIONS = ["4.1", "4.2", "5.0"]
#: What a version does in four cells: mostly passing, or hardly any version would serve anything.
ROWS = st.lists(st.sampled_from("p" * 12 + "s" + "".join(LETTERS)), min_size=4, max_size=4).map("".join)


def advice(run: Run, *globs: str, prefer: Prefer = Prefer.NEWEST, strict: bool = False) -> Advice:
    return advise(run, needs(run, globs), prefer=prefer, strict=strict)


def names(found: Advice) -> list[str]:
    return [each.candidate.name for each in found.environments]


def brute(serves: list[frozenset[int]], count: int) -> tuple[int, ...]:
    for size in range(len(serves) + 1):
        for chosen in combinations(range(len(serves)), size):
            if frozenset[int]().union(*(serves[index] for index in chosen)) >= frozenset(range(count)):
                return chosen
    raise AssertionError("a need that is in no set")


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_the_cover_is_the_smallest_and_of_those_the_first(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 7))
    rows = data.draw(st.lists(st.frozensets(st.integers(0, count - 1)), min_size=1, max_size=8))
    missing = frozenset(range(count)) - frozenset[int]().union(*rows)
    serves = [*rows, missing] if missing else rows
    assert smallest_cover(serves, count) == brute(serves, count)


@settings(deadline=None, max_examples=150)
@given(
    st.lists(ROWS, min_size=1, max_size=5),
    st.lists(st.sampled_from(["a", "b", "a/0", "b/1", "a/*", "*"]), min_size=1, max_size=4, unique=True),
    st.sampled_from(list(Prefer)),
    st.booleans(),
)
def test_an_answer_is_what_brute_force_finds(rows: list[str], globs: list[str], prefer: Prefer, strict: bool) -> None:
    versions = [f"4.{number}" for number in range(len(rows))]
    cells = {cell: "".join(row[at] for row in rows) for at, cell in enumerate(("a/0", "a/1", "b/0", "b/1"))}
    run = runs_of(versions, cells)
    asked = needs(run, globs)
    found = advise(run, asked, prefer=prefer, strict=strict)
    order = versions[::-1] if prefer is Prefer.NEWEST else versions
    serves = {v: {n.glob for n in asked if weigh(run, v, n, strict=strict).serves} for v in order}
    everything = {need.glob for need in asked}
    served = set().union(*serves.values())
    assert {each.need.glob for each in found.unserved} == everything - served
    assert [each.name for each in found.admissible] == [v for v in order if serves[v] == everything]
    assert [each.candidate.name for each in found.rejected] == [v for v in order if serves[v] != everything]
    expected = next(
        chosen
        for size in range(len(order) + 1)
        for chosen in combinations(order, size)
        if set().union(*(serves[v] for v in chosen)) >= served
    )
    assert names(found) == list(expected)
    assert {need for each in found.environments for need in each.needs} == served
    for each in found.environments:
        assert set(each.needs) == serves[each.candidate.name]
        assert [other.name for other in each.admissible] == [v for v in order if serves[v] >= set(each.needs)]
    assert found.exit is (Exit.UNSERVED if everything - served else Exit.OK if len(expected) == 1 else Exit.SEVERAL)


@pytest.mark.parametrize(("prefer", "expected"), [(Prefer.NEWEST, "5.0"), (Prefer.OLDEST, "4.1")])
def test_preference_decides_between_versions_that_all_serve(prefer: Prefer, expected: str) -> None:
    found = advice(runs_of(VERSIONS, {"a/b": "ppp"}), "a", prefer=prefer)
    assert names(found) == [expected]
    assert len(found.admissible) == 3
    assert found.exit is Exit.OK


def test_two_needs_that_no_version_serves_together_take_two_environments() -> None:
    found = advice(runs_of(VERSIONS, {"mini/7b": "ppf", "gemma3/text": "uup"}), "mini", "gemma3")
    assert [(each.candidate.name, each.needs) for each in found.environments] == [
        ("5.0", ("gemma3",)),
        ("4.2", ("mini",)),
    ]
    assert [each.name for each in found.environments[1].admissible] == ["4.2", "4.1"]
    assert found.exit is Exit.SEVERAL
    assert not found.admissible


def test_a_need_is_served_as_a_whole_never_half_here_and_half_there() -> None:
    found = advice(runs_of(["4.1", "5.0"], {"a/b": "pf", "a/c": "fp"}), "a")
    assert not found.environments
    assert [each.need.glob for each in found.unserved] == ["a"]
    assert names(advice(runs_of(["4.1", "5.0"], {"a/b": "pf", "a/c": "fp"}), "a/b", "a/c")) == ["5.0", "4.1"]


def test_the_closest_version_has_the_fewest_cells_against_it() -> None:
    found = advice(runs_of(VERSIONS, {"a/b[0]": "fpw", "a/b[1]": "fpf", "a/b[2]": "pfp"}), "a")
    assert found.exit is Exit.UNSERVED
    (unserved,) = found.unserved
    assert unserved.closest and unserved.closest.name == "4.2"
    assert unserved.evidence and [told.cell for told in unserved.evidence.blockers] == ["a/b[2]"]


def test_a_version_where_all_was_skipped_is_not_the_closest() -> None:
    found = advice(runs_of(["4.1", "5.0"], {"a/b[0]": "ps", "a/b[1]": "fs"}), "a")
    assert found.unserved[0].closest and found.unserved[0].closest.name == "4.1"


def test_what_was_only_not_shown_to_work_is_not_ruled_out() -> None:
    found = advice(runs_of(VERSIONS, {"a/b": "fns"}), "a")
    assert [(each.candidate.name, each.ruled_out) for each in found.rejected] == [
        ("5.0", False),
        ("4.2", False),
        ("4.1", True),
    ]


def test_a_substitute_is_pinned_by_what_it_showed() -> None:
    found = advice(run_of([column("4.46.3"), substitute("4.50.dev", "4.50.0")], {"a/b": "fp"}), "a")
    assert [each.candidate.requirement for each in found.environments] == ["transformers==4.50.0"]
    assert [each.version for each in found.no_evidence] == ["4.50.dev"]


def test_a_run_without_a_single_column_serves_nothing() -> None:
    found = advise(run_of([], {"a/b": ""}), needs(run_of([], {"a/b": ""}), ["a"]))
    assert found.exit is Exit.UNSERVED
    assert found.unserved[0].closest is None


def test_candidates_have_one_order_whatever_the_order_of_columns() -> None:
    run = run_of([column("5.0"), column("4.10"), column("4.9")], {"a/b": "ppp"})
    assert [each.name for each in candidates(run)[0]] == ["5.0", "4.10", "4.9"]
