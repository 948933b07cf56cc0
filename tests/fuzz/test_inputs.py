"""Property tests: damaged input of every kind gives a clear error or is understood; it never gives anything else."""

from __future__ import annotations

import json
import os
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import mutate, targets

#: So many inputs of each kind; `COMPATMATRIX_FUZZ=5000 pytest tests/fuzz` tries more.
EXAMPLES = int(os.environ.get("COMPATMATRIX_FUZZ", "0"))
_CHEAP = {"run": 12, "history": 20, "claims": 25, "ledger": 25, "store": 30, "row": 30}
_RELAXED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


def damaged(name: str, dice: Random) -> bytes:
    """A seed of a target, damaged as its grammar allows, or byte by byte."""
    seed = targets.SEEDS[name]
    written = targets.WRITTEN.get(name)
    if written is None or dice.random() < 0.1:
        return mutate.text(seed, dice)
    tree = mutate.tree(json.loads(seed), dice)
    return mutate.as_yaml(tree, dice) if written == "yaml" else mutate.as_json(tree, dice)


@pytest.mark.parametrize("name", targets.TARGETS)
def test_bad_input_gives_a_clear_error_or_none(name: str, tmp_path: Path) -> None:
    @settings(max_examples=EXAMPLES or _CHEAP.get(name, 60), deadline=None, suppress_health_check=_RELAXED)
    @given(st.randoms(use_true_random=False))
    def holds(dice: Random) -> None:
        targets.TARGETS[name](damaged(name, dice), tmp_path)

    holds()


@pytest.mark.parametrize("name", targets.TARGETS)
def test_the_good_input_is_understood(name: str, tmp_path: Path) -> None:
    targets.TARGETS[name](targets.SEEDS[name], tmp_path)
