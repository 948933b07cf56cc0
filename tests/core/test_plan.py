"""Selection and keys."""

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compatmatrix import plan
from compatmatrix.errors import SelectionError
from compatmatrix.ledger import matches
from compatmatrix.matrix import Companion, Matrix
from compatmatrix.results import Machine, Scenario, Variant
from tests.core.factories import column, scenario

SCENARIOS = [scenario("llama/plain", "[tied]", "[untied]"), scenario("llama/plain-two"), scenario("gemma3/text")]


def matrix(**more: Any) -> Matrix:
    versions = [{"id": id, "sources": [{"pypi": "1.0"}]} for id in ("1.0", "main")]
    return Matrix.model_validate({"python": "3.11", "versions": versions, **more})


def cells(*globs: str, **more: Any) -> list[str]:
    return [cell.id for cell in plan.make(matrix(**more), SCENARIOS, "p", cells=globs).cells]


@pytest.mark.parametrize(
    ("globs", "expected"),
    [
        ((), ["llama/plain[tied]", "llama/plain[untied]", "llama/plain-two", "gemma3/text"]),
        (("llama/plain[tied]",), ["llama/plain[tied]"]),
        (("llama/plain",), ["llama/plain[tied]", "llama/plain[untied]"]),
        (("llama",), ["llama/plain[tied]", "llama/plain[untied]", "llama/plain-two"]),
        (("*[tied]", "gemma3/*"), ["llama/plain[tied]", "gemma3/text"]),
        (
            ("gemma3", "llama/plain[untied]", "llama/plain[tied]"),
            ["llama/plain[tied]", "llama/plain[untied]", "gemma3/text"],
        ),
        (("llama/plain[unti?d]", "llama/plain-two"), ["llama/plain[untied]", "llama/plain-two"]),
    ],
)
def test_cells(globs: tuple[str, ...], expected: list[str]) -> None:
    assert cells(*globs) == expected


def test_the_matrix_selects_too() -> None:
    chosen = {"include": ["llama"], "exclude": [{"cells": "*[untied]", "why": "it is slow"}]}
    assert cells(scenarios=chosen) == ["llama/plain[tied]", "llama/plain-two"]
    with pytest.raises(SelectionError, match=r"matrix.yaml leaves out what 'llama/plain\[untied\]' matches"):
        cells("llama/plain[tied]", "llama/plain[untied]", scenarios=chosen)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["llama", "gemma3/text", "*[tied]", *(c for s in SCENARIOS for c in s.cells)])))
def test_ids_that_are_looked_up_select_what_globs_select(globs: list[str]) -> None:
    meant = [id for id in cells() if not globs or any(matches(id, glob) for glob in globs)]
    assert cells(*globs) == meant


def test_what_means_nothing_is_an_error_with_a_suggestion() -> None:
    with pytest.raises(SelectionError, match=r"'llama/plan'. Did you mean 'llama/plain'\?"):
        cells("llama/plan")
    with pytest.raises(SelectionError, match=r"no version 'mian' in the matrix. Did you mean 'main'\?"):
        plan.make(matrix(), SCENARIOS, "p", versions=["mian"])


def test_a_key_changes_with_everything_that_a_result_depends_on() -> None:
    def key(lock: str = "l", probe: str = "p", source: str = "s", cell: int = 0, **policy: Any) -> str:
        scenarios = [scenario("llama/plain", "[tied]", "[untied]", source_hash=source)]
        made = plan.make(matrix(policy=policy), scenarios, probe)
        return made.key(column(lock_hash=lock), made.cells[cell])

    others = [
        key(lock="x"),
        key(probe="x"),
        key(source="x"),
        key(cell=1),
        key(timeout_seconds=1),
        key(memory="1GiB"),
        key(retries=3),
    ]
    assert len({key(), *others}) == 1 + len(others)
    assert key() == key()


def test_the_machine_that_a_column_was_run_on_belongs_to_its_keys() -> None:
    linux = Machine(system="Linux", architecture="x86_64", python="3.11", cpus=2, memory=1, provides="cards")
    variants = (Variant(label="[cpu]"), Variant(label="[card]", needs=("cuda:1",)))
    elsewhere = plan.make(matrix(), [Scenario(id="llama/a", title="a", family="llama", variants=variants)], "p")

    def keys(machine: Machine) -> list[str]:
        return [elsewhere.key(column(machine=machine), cell) for cell in elsewhere.cells]

    cpu, card = keys(linux)
    assert keys(linux.model_copy(update={"cpus": 64, "python": "3.13"})) == [cpu, card]
    without = keys(linux.model_copy(update={"provides": ""}))
    assert without[0] == cpu
    assert without[1] != card
    assert not set(keys(linux.model_copy(update={"system": "Darwin"}))) & {cpu, card}


def test_companions_by_version_range() -> None:
    old = Companion(package="numpy", requirement="<2", when="<4.40", why="old and new")
    assert [old.applies(v) for v in ("4.36.2", "4.40.0", "4.50.0.dev0", None)] == [True, False, False, False]
    new = Companion(package="numpy", requirement=">=2", when=">=4.40", why="old and new")
    assert [new.applies(v) for v in ("4.36.2", "4.40.0", "4.50.0.dev0", None)] == [False, True, True, True]


def test_a_limit_that_is_written_down_is_the_same_as_that_default() -> None:
    defaults = matrix()
    written = matrix(policy={name: f"{getattr(defaults.policy, name)}" for name in ("timeout_seconds", "memory")})
    keys = [
        made.key(column("1.0"), made.cells[0])
        for made in (plan.make(each, SCENARIOS, "p") for each in (defaults, written))
    ]
    assert keys[0] == keys[1]


def test_a_cell_may_have_no_limit_of_time() -> None:
    endless, usual = (
        plan.make(matrix(policy=policy), SCENARIOS, "p") for policy in ({"timeout_seconds": math.inf}, {})
    )
    assert endless.key(column("1.0"), endless.cells[0]) != usual.key(column("1.0"), usual.cells[0])
