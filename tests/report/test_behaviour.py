"""Fingerprints as facts, and how two of them differ, in words."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.report.behaviour import INTERNAL, Behaviour, aspects, behaviour, changes

from . import factory


def did(warnings: tuple[str, ...] = (), **fingerprint: Any) -> Behaviour:
    row = factory.passed("llama/x", "1", fingerprint=fingerprint, warnings=warnings)
    return behaviour(row, row.fingerprint_digest)


def words(before: Behaviour, after: Behaviour) -> list[str]:
    return [f"{change.aspect} | {change.fact} | {change.told}" for change in changes(before, after)]


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ({"devices": {"cpu": 3}}, {"devices": {"cpu": 2, "disk": 1}}, ["cpu | 2, was 3", "disk | 1, absent before"]),
        ({"devices": {"meta": 3}}, {"devices": {}}, ["meta | absent, was 3"]),
    ],
)
def test_numbers_are_told_with_what_they_were(before: dict[str, Any], after: dict[str, Any], told: list[str]) -> None:
    assert words(did(model=before), did(model=after)) == [f"placement | model.devices.{line}" for line in told]


def test_lists_are_told_by_what_came_and_went() -> None:
    before, after = did(loading_info={"missing_keys": ["a", "b"]}), did(loading_info={"missing_keys": ["b", "c"]})
    assert words(before, after) == ["keys | loading_info.missing_keys | now c; no longer a"]


def test_a_long_list_that_differs_at_its_end_is_told() -> None:
    names = [f"model.layers.{number}.mlp.up_proj.weight" for number in range(200)]
    before, after = did(saved_keys=names), did(saved_keys=[*names[:-1], "other"])
    assert words(before, after) == [f"keys | saved_keys | now other; no longer {names[-1]}"]


def test_numbered_layers_are_one_fact() -> None:
    layers = {f"layers.{number}.inv_freq": 1 for number in range(3)}
    assert list(did(model={"buffers": layers}).facts) == ["model.buffers.layers.*.inv_freq"]


def test_digests_are_told_only_where_nothing_else_differs() -> None:
    before, after = {"buffers": {"a": 1}, "buffers_digest": "x"}, {"buffers": {"b": 1}, "buffers_digest": "y"}
    assert [line.split(" | ")[1] for line in words(did(model=before), did(model=after))] == [
        "model.buffers.a",
        "model.buffers.b",
    ]
    only = words(did(model={"buffers_digest": "x"}), did(model={"buffers_digest": "y"}))
    assert only == ["buffers | model.buffers_digest | y, was x"]


def test_warnings_and_buffers_are_inside_and_come_last() -> None:
    before = did(("old",), model={"buffers": {"a": 1}, "dtypes": ["float32"]})
    after = did(("new",), model={"buffers": {"b": 1}, "dtypes": ["float16"]})
    assert aspects(before, after) == ("dtypes",)
    assert [change.aspect for change in changes(before, after)] == ["dtypes", *["buffers"] * 2, *["warnings"] * 2]
    assert words(before, after)[-2:] == ["warnings | warns now | new", "warnings | warns no more | old"]


def test_a_placement_is_told_in_words() -> None:
    row = factory.placed("llama/x", "1", ("card 0", 12.6, 24.0, "layers 0-31"), ("disk", 1.5, None, "head"))
    other = factory.placed("llama/x", "2", ("card 0", 12.5, 24.0, "layers 0-31"))
    told = words(behaviour(row, "a"), behaviour(other, "b"))
    assert told == [
        "placement | placement | card 0: 12.5 of 24 GiB, layers 0-31, "
        "was card 0: 12.6 of 24 GiB, layers 0-31; disk: 1.5 GiB, head"
    ]


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=6), json_like, max_size=4), st.dictionaries(st.text(max_size=6), json_like))
def test_two_different_fingerprints_have_a_change_to_tell(one: dict[str, Any], other: dict[str, Any]) -> None:
    before, after = behaviour(factory.passed("a", "1", fingerprint=one), "1"), None
    after = behaviour(factory.passed("a", "1", fingerprint=other), "2")
    told = changes(before, after)
    assert bool(told) == (before.facts != after.facts)
    assert all(change.told for change in told)
    felt = {change.aspect for change in told} - INTERNAL
    assert felt == set(aspects(before, after))
