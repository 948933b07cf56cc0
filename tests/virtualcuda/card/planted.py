"""The places of test_planted.py, with the operand on the CPU: what becomes of each run."""

import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from tests.virtualcuda import planting, test_planted
from tests.virtualcuda.card.machine import words

Case = tuple[str, Callable[[], str]]


def cases(name: str) -> Iterator[Case]:
    """Every place of a model."""
    with tempfile.TemporaryDirectory() as directory, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ready = test_planted.MODELS[name](Path(directory))
        plain = planting.run(ready)
        yield "nothing planted", lambda: _became(plain, plain)
        for place, ended in test_planted.planted_runs(ready, "cpu"):
            yield f"{place.kind} {place.name}", lambda ended=ended: _became(ended, plain)  # type: ignore[misc]


def _became(ended: planting.Ended, plain: planting.Ended) -> str:
    if ended.error is not None:
        return words(ended.error)
    reasons = {reason or "two devices" for _, reason in ended.mixtures}
    reasons |= {"moved back by the model"} if ended.moves > plain.moves else set()
    told = ", ".join(sorted(reasons)) or "read by no operator with another operand"
    return f"taken: {told}; {_compared(ended.outputs, plain.outputs)}"


def _compared(outputs: list[Any], expected: list[Any]) -> str:
    try:
        torch.testing.assert_close(outputs, expected)
    except AssertionError as error:
        return words(error)
    return "outputs as ever"
