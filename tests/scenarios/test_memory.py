"""The peak of memory: what was in use and is given back is seen, and rounding is coarse."""

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from scenarios.common import memory  # noqa: E402
from scenarios.common.checkpoint import Checkpoint  # noqa: E402

pytestmark = pytest.mark.torch

MEBIBYTE = 1 << 20


def test_a_block_that_was_freed_is_in_the_peak_and_not_in_the_next() -> None:
    memory.keep_no_freed_blocks()
    before = memory.reset_peak()
    held = torch.ones(64 * MEBIBYTE, dtype=torch.uint8)
    del held
    assert 63 * MEBIBYTE < memory.peak() - before < 80 * MEBIBYTE
    again = memory.reset_peak()
    assert memory.peak() - again < 8 * MEBIBYTE


@pytest.mark.parametrize(
    ("used", "multiple"), [(0, 0.0), (96, 0.0), (104, 0.5), (400, 1.0), (420, 1.0), (590, 1.5), (820, 2.0)]
)
def test_multiples_of_the_checkpoint_are_rounded_to_halves(used: int, multiple: float) -> None:
    checkpoint = Checkpoint(Path(), {}, {"a": torch.zeros(60), "b": torch.zeros(80, dtype=torch.float16)})
    assert memory.halves(used, checkpoint) == multiple


@pytest.mark.parametrize(("used", "multiple"), [(0, 0.0), (416, 1.25), (500, 1.25), (600, 1.5), (601, 1.75)])
def test_what_is_above_a_limit_is_not_rounded_below_it(used: int, multiple: float) -> None:
    checkpoint = Checkpoint(Path(), {}, {"a": torch.zeros(60), "b": torch.zeros(80, dtype=torch.float16)})
    assert memory.quarters(used, checkpoint) == multiple
