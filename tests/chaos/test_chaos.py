"""The campaign, in short: every fault once, in one of its forms. `nox -s chaos` injects all of them, and more often."""

from __future__ import annotations

import sys
import zlib

import pytest

from tests.chaos import campaign, faults, world

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="signals, mounts and /proc of Linux")
_ = faults  # registers them
SEED = 2026


#: Stages that only a run with a report has; the others are tried in one column, which costs half as much.
OF_REPORTS = ("reporting", "publishing")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> world.World:
    return world.make(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def column(tmp_path_factory: pytest.TempPathFactory) -> world.World:
    return world.make(tmp_path_factory.mktemp("column"), column=world.VERSIONS[-1])


@pytest.mark.parametrize("name", sorted(campaign.FAULTS))
def test_a_fault_is_survived(name: str, request: pytest.FixtureRequest) -> None:
    fault = campaign.FAULTS[name]
    stage = fault.stages[zlib.crc32(name.encode()) % len(fault.stages)]
    needed = "whole" if fault.report or stage in OF_REPORTS else "column"
    small: world.World = request.getfixturevalue(needed)
    injected, why, problems = campaign.run_trial(small, fault, stage, f"{SEED}/0")
    if not injected:
        pytest.skip(f"{name} {stage}: {why}")
    assert not problems, "\n".join(problems)
