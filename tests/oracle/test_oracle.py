"""Every planted fault comes out ``wrong``, and no plain load does."""

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from compatprobe import Cell
from scenarios.common.checkpoint import Checkpoint
from tests.oracle import (
    faults_buffers,
    faults_decoding,
    faults_experts,
    faults_forward,
    faults_gemma3,
    faults_offload,
    faults_values,
)
from tests.oracle.anatomy import FAULTS, Absent, Fault
from tests.oracle.conftest import Tally
from tests.oracle.families import FAMILIES, Family

# transformers and torch warn about themselves.
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

#: Importing them registers their faults.
_SOURCES = (
    faults_values,
    faults_buffers,
    faults_forward,
    faults_experts,
    faults_gemma3,
    faults_decoding,
    faults_offload,
)


class Loads:
    """Each family's checkpoint, and the models loaded from it: a plain one is copied, not loaded again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.made: dict[str, Checkpoint] = {}
        self.models: dict[tuple[str, bool], Any] = {}

    def checkpoint(self, name: str) -> Checkpoint:
        if name not in self.made:
            self.made[name] = FAMILIES[name].make(self.directory / name)
        return self.made[name]

    def model(self, name: str, plan: str, directory: Path, *, eager: bool) -> Any:
        if plan != "plain":
            return FAMILIES[name].load(self.checkpoint(name), plan, directory, eager=eager)
        if (name, eager) not in self.models:
            self.models[name, eager] = FAMILIES[name].load(self.checkpoint(name), plan, directory, eager=eager)
        return copy.deepcopy(self.models[name, eager])


@pytest.fixture(scope="module")
def loads(tmp_path_factory: pytest.TempPathFactory) -> Loads:
    import torch

    torch.set_num_threads(1)
    return Loads(tmp_path_factory.mktemp("checkpoints"))


@dataclass
class Verdict:
    """What a host would see: checks that do not hold, and how the cell ended."""

    failed: dict[str, str] = field(default_factory=dict)
    raised: str = ""


def judge(family: Family, model: Any, made: Checkpoint, directory: Path) -> Verdict:
    cell = Cell("oracle/planted", directory)
    verdict = Verdict()
    try:
        family.examine(family, cell, model, made)
    except Absent:
        raise
    except Exception as error:  # a fault may make anything fail
        verdict.raised = f"{type(error).__name__}: {error}"
    verdict.failed = {
        check["name"]: f"{check['measured']:.3g} > {check['limit']:.3g} {check['detail'] or ''}"
        for check in cell.checks
        if not check["measured"] <= check["limit"]
    }
    return verdict


def _family(name: str) -> Family:
    why = FAMILIES[name].absent()
    if why:
        pytest.skip(why)
    return FAMILIES[name]


#: Every plan, and the eager attention, which has little to do with placement.
_PLAIN = [
    pytest.param(name, plan, eager, id=f"{name}-{plan}{'-eager' if eager else ''}")
    for name in FAMILIES
    for plan, eager in (("plain", False), ("plain", True), ("cpu", False), ("auto", False), ("disk", False))
    if (name, plan) != ("gemma3", "disk")  # the plan's map knows no pictures
]


@pytest.mark.parametrize(("name", "plan", "eager"), _PLAIN)
def test_a_plain_load_is_not_wrong(
    name: str, plan: str, eager: bool, loads: Loads, tally: Tally, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    family = _family(name)
    verdict = judge(family, loads.model(name, plan, tmp_path, eager=eager), loads.checkpoint(name), tmp_path)
    (tally.alarmed if verdict.failed or verdict.raised else tally.right).append(request.node.name)
    assert verdict == Verdict()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.id)
def test_a_planted_fault_is_found(
    fault: Fault, loads: Loads, tally: Tally, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    family = _family(fault.family)
    model = loads.model(fault.family, fault.plan, tmp_path, eager=fault.eager)
    try:
        fault.plant(model)
        verdict = judge(family, model, loads.checkpoint(fault.family), tmp_path)
    except Absent as why:
        pytest.skip(str(why))
    if verdict.raised and not verdict.failed:
        tally.raised.append(fault.id)
        pytest.skip(f"raises by itself: {verdict.raised}")
    (tally.found if verdict.failed else tally.missed).append(fault.id)
    tally.by_outputs += bool(set(verdict.failed) - {"tensors", "buffers"})
    if fault.hole:
        request.applymarker(pytest.mark.xfail(reason=fault.hole, strict=True))
    assert verdict.failed


def test_there_are_at_least_forty_ways() -> None:
    assert len({fault.name for fault in FAULTS}) >= 40
    assert len({fault.id for fault in FAULTS}) == len(FAULTS)
    assert {fault.family for fault in FAULTS} == set(FAMILIES)
