"""Samples, floors and fits: what the benchmarks calculate."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.figures import Group, exponent, floor, ratio, sample, steepest, whole


def cells(**counts: int) -> list[str]:
    return [f"llama/{name}[{number}]" for name, count in counts.items() for number in range(count)]


def test_a_sample_is_the_same_each_time_and_keeps_the_order() -> None:
    every = cells(a=50, b=30, c=20)
    chosen = sample(every, 17)
    assert chosen == sample(every, 17)
    assert len(set(chosen)) == 17
    assert chosen == sorted(chosen, key=every.index)
    assert sample(every, 17, seed=1) != chosen


@settings(deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1, max_size=20), st.integers(1, 80), st.integers(0, 99))
def test_each_scenario_has_its_share_of_a_sample(sizes: list[int], count: int, seed: int) -> None:
    every = cells(**{f"s{index}": size for index, size in enumerate(sizes)})
    chosen = sample(every, count, seed=seed)
    assert len(chosen) == len(set(chosen)) == min(count, len(every))
    for index, size in enumerate(sizes):
        share = size * len(chosen) / len(every)
        assert abs(sum(cell.startswith(f"llama/s{index}[") for cell in chosen) - share) <= 1


def test_the_floor_is_all_work_over_all_processors_or_the_longest_chain() -> None:
    columns = [Group(imports=3, cells=(1, 1, 1)), Group(imports=3, cells=(1, 1, 1))]
    assert floor(columns, 1) == 12
    assert floor(columns, 2) == 6
    assert floor(columns, 100) == 4  # an import and one cell: more processors do not help
    assert floor([Group(imports=3, cells=(1, 20))], 2) == 23
    assert floor([], 2) == 0


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.1, 9), st.lists(st.floats(0.1, 9), max_size=6)), min_size=1, max_size=6),
    st.integers(1, 4),
)
def test_no_schedule_is_shorter_than_the_floor(columns: list[tuple[float, list[float]]], processors: int) -> None:
    groups = [Group(imports=imports, cells=tuple(own)) for imports, own in columns]
    free = [0.0] * processors
    for group in sorted(groups, key=lambda group: -group.work):  # a column after another, each on one processor
        free[free.index(min(free))] += group.work
    assert floor(groups, processors) <= max(free) + 1e-9


def test_growth_is_told_by_its_exponent() -> None:
    sizes = [10, 40, 120]
    assert exponent(sizes, [3 * size for size in sizes]) == pytest.approx(1)
    assert exponent(sizes, [3 * size**2 for size in sizes]) == pytest.approx(2)
    assert exponent(sizes, [7, 7, 7]) == pytest.approx(0)
    noisy = random.Random(0)
    assert exponent(sizes, [size * noisy.uniform(0.9, 1.1) for size in sizes]) == pytest.approx(1, abs=0.1)


def test_fixed_costs_do_not_hide_growth_from_the_steepest_exponent() -> None:
    sizes = [10, 200, 500]
    costs = [100 + size**2 / 100 for size in sizes]
    assert exponent(sizes, costs) < 1 < steepest(sizes, costs)


def test_what_is_lost_in_what_scatters_has_no_ratio() -> None:
    assert ratio(6, 2) == 3
    assert math.isnan(ratio(6, -0.02))
    assert math.isnan(ratio(0, 2))


def test_the_whole_is_the_part_and_the_rest() -> None:
    assert whole(60, 831, 0.1) == pytest.approx(143.1)
