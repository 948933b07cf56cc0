"""What each cell says for or against a version."""

from __future__ import annotations

from datetime import timedelta

import pytest

from compatmatrix.errors import SelectionError
from compatmatrix.pins import Accepted, Standing, accepted, needs
from compatmatrix.pins.evidence import weigh
from compatmatrix.results import Run
from tests.pins.making import LETTERS, NOW, runs_of

EVERY = runs_of(["1.0"], {f"a/b[{letter}]": letter for letter in LETTERS})


@pytest.mark.parametrize(
    ("letter", "standing"),
    [
        ("p", Standing.WORKS),
        ("f", Standing.AGAINST),
        ("w", Standing.AGAINST),
        ("k", Standing.AGAINST),
        ("u", Standing.AGAINST),
        ("s", Standing.SKIPPED),
        ("e", Standing.OPEN),
        ("n", Standing.OPEN),
        ("~", Standing.OPEN),
    ],
)
def test_each_outcome_has_one_standing(letter: str, standing: Standing) -> None:
    (need,) = needs(EVERY, [f"a/b[{letter}]"])
    evidence = weigh(EVERY, "1.0", need)
    assert [told.standing for told in evidence.told] == [standing]
    assert evidence.serves is (letter == "p")


@pytest.mark.parametrize(
    ("letters", "serves"),
    [
        ("pp", True),
        ("ps", True),
        ("ss", False),
        ("pn", False),
        ("pe", False),
        ("p~", False),
        ("pu", False),
        ("pf", False),
    ],
)
def test_a_skipped_cell_alone_neither_blocks_nor_suffices(letters: str, serves: bool) -> None:
    one = runs_of(["1.0"], {"a/b[0]": letters[0], "a/b[1]": letters[1]})
    assert weigh(one, "1.0", needs(one, ["a"])[0]).serves is serves


def test_strict_lets_a_skipped_cell_block() -> None:
    one = runs_of(["1.0"], {"a/b[0]": "p", "a/b[1]": "s"})
    evidence = weigh(one, "1.0", needs(one, ["a"])[0], strict=True)
    assert not evidence.serves
    assert [told.cell for told in evidence.blockers] == ["a/b[1]"]


@pytest.mark.parametrize("given", [["an-issue"], ["a/b"], ["*"], ["a/b[k]"]])
def test_an_accepted_known_issue_is_a_risk_and_nothing_else_is(given: list[str]) -> None:
    accept = accepted(EVERY, given)
    for letter, standing in (
        ("k", Standing.RISK),
        ("w", Standing.AGAINST),
        ("u", Standing.AGAINST),
        ("~", Standing.OPEN),
    ):
        told = weigh(EVERY, "1.0", needs(EVERY, [f"a/b[{letter}]"])[0], accept).told
        assert [each.standing for each in told] == [standing], letter


def test_a_glob_accepts_only_the_cells_that_it_matches() -> None:
    one = runs_of(["1.0"], {"a/b": "k", "a/c": "k"})
    told = weigh(one, "1.0", needs(one, ["a"])[0], accepted(one, ["a/c"])).told
    assert [each.standing for each in told] == [Standing.AGAINST, Standing.RISK]


def test_risks_alone_are_no_evidence_that_it_works() -> None:
    one = runs_of(["1.0"], {"a/b": "k"})
    assert not weigh(one, "1.0", needs(one, ["a"])[0], Accepted(globs=("*",))).serves


@pytest.mark.parametrize(("days", "standing"), [(0, Standing.WORKS), (1, Standing.OPEN)])
def test_what_is_too_old_tells_nothing(days: int, standing: Standing) -> None:
    one = runs_of(["1.0"], {"a/b": "p"})
    told = weigh(one, "1.0", needs(one, ["a"])[0], oldest=NOW + timedelta(days=days)).told
    assert told[0].standing is standing


def test_an_old_failure_is_no_evidence_either() -> None:
    one = runs_of(["1.0"], {"a/b": "f"})
    assert weigh(one, "1.0", needs(one, ["a"])[0], oldest=NOW + timedelta(days=1)).told[0].standing is Standing.OPEN


def test_a_cell_without_a_result_was_not_run() -> None:
    one = runs_of(["1.0"], {"a/b": "p"})
    empty = Run.model_validate({**one.model_dump(by_alias=True), "results": ()})
    assert weigh(empty, "1.0", needs(empty, ["a"])[0]).told[0].standing is Standing.OPEN


def test_blockers_are_told_worst_first_and_what_is_against_before_what_is_open() -> None:
    assert [told.cell for told in weigh(EVERY, "1.0", needs(EVERY, ["a"])[0]).blockers] == [
        "a/b[w]", "a/b[k]", "a/b[f]", "a/b[u]", "a/b[e]", "a/b[n]", "a/b[~]",
    ]  # fmt: skip


@pytest.mark.parametrize(("glob", "meant"), [("lama/*", ""), ("a/bb", "a/b"), ("a/b[p", "a/b[p]")])
def test_a_need_that_means_nothing_is_an_error(glob: str, meant: str) -> None:
    with pytest.raises(SelectionError, match="no scenario or cell") as error:
        needs(EVERY, ["a", glob])
    assert not meant or f"Did you mean {meant!r}?" in error.value.message


def test_an_unknown_name_to_allow_is_an_error_and_an_issue_of_the_ledger_is_none() -> None:
    with pytest.raises(SelectionError, match="Did you mean 'an-issue'"):
        accepted(EVERY, ["an-isue"])
    assert accepted(EVERY, ["mended-long-ago"], ["mended-long-ago"]).ids == {"mended-long-ago"}
