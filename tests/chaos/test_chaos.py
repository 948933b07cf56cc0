"""The campaign, in short: every fault once, in one of its forms. `nox -s chaos` injects all of them, and more often."""

from __future__ import annotations

import sys
import zlib

import pytest

from tests.chaos import campaign, faults, world

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signals, mounts and /proc of Linux")
_ = faults  # registers them
SEED = 2026


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> world.World:
    return world.make(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize("name", sorted(campaign.FAULTS))
def test_a_fault_is_survived(small: world.World, name: str) -> None:
    fault = campaign.FAULTS[name]
    stage = fault.stages[zlib.crc32(name.encode()) % len(fault.stages)]
    injected, why, problems = campaign.run_trial(small, fault, stage, f"{SEED}/0")
    if not injected:
        pytest.skip(f"{name} {stage}: {why}")
    assert not problems, "\n".join(problems)
