"""A column whose cells need different numbers of virtual cards, and what happens where there can be none."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compatmatrix import measuring
from compatmatrix.execute import ProbeStartError
from compatmatrix.matrix import Policy
from compatmatrix.measuring import Measuring, by_devices
from compatmatrix.plan import PlannedCell
from compatmatrix.processors import Processors
from compatmatrix.records import Ended
from compatmatrix.results import CellResult, Column, EnvReason, Outcome, Scenario, Variant
from compatmatrix.settings import Settings
from compatmatrix.wholeness import Ground, Installed
from compatmatrix.workers import Workers


def cell(name: str, *needs: str) -> PlannedCell:
    variant = Variant(label="", needs=needs)
    scenario = Scenario(id=f"cards/{name}", title=name, family="cards", variants=(variant,))
    return PlannedCell(id=scenario.id, scenario=scenario, variant=variant)


CELLS = (
    cell("plain"),
    cell("two", "virtual-cuda:2"),
    cell("real", "cuda:2"),
    cell("three", "compiler", "virtual-cuda:3"),
    cell("one", "virtual-cuda"),
)
FAILURES = {
    "NoCompilerError: no compiler": Outcome.SKIPPED,
    "UnsuitableTorchError: a build for CUDA 12.6": Outcome.SKIPPED,
    "BuildError: the compiler refused the shim": None,
    "VirtualCudaError: torch does not know its kernels": None,
    "the process died (signal 11) while it imported virtualcuda": None,
}


class FakeProbe:
    """Stands for a zygote: notes what it is asked, and may refuse to start with virtual devices."""

    asked: list[tuple[int, str]]
    failure: ProbeStartError | None
    dies_at = ""

    def __init__(self, *_: object, virtual_cuda: int, **__: object) -> None:
        self.devices = virtual_cuda

    def __enter__(self) -> FakeProbe:
        if self.devices and self.failure is not None:
            raise self.failure
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def run(self, cell: str, limits: object, needs: object) -> Ended:
        self.asked.append((self.devices, cell))
        if cell == self.dies_at:
            raise ProbeStartError(EnvReason.IMPORT_FAILED, "the process died (signal 9)", module="virtualcuda")
        return Ended(how="exited", number=0, seconds=0.1, peak_memory=1, log="", record=None, record_error="none")


def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, failure: ProbeStartError | None) -> tuple[Any, Any, list[str]]:
    """What the probes were asked, the results by cell, and what was told."""
    stored: dict[str, CellResult] = {}
    told: list[str] = []
    monkeypatch.setattr(FakeProbe, "asked", [], raising=False)
    monkeypatch.setattr(FakeProbe, "failure", failure, raising=False)
    monkeypatch.setattr(measuring, "Probe", FakeProbe)
    monkeypatch.setattr(measuring, "Store", lambda _: contextlib.nullcontext(store))
    plan: Any = SimpleNamespace(
        matrix=SimpleNamespace(policy=Policy(retries=0)), cells=CELLS, key=lambda _, planned: planned.id
    )
    store: Any = SimpleNamespace(
        put=lambda result: stored.__setitem__(result.cell, result), transaction=contextlib.nullcontext
    )
    column = Measuring(
        plan=plan,
        column=Column(version="1.0"),
        python=Path("python"),
        ground=Ground(installed=Installed({}), work=tmp_path),
        settings=Settings(root=tmp_path, state=tmp_path, scenario_roots=()),
        progress=told.append,
    )
    with Processors(tmp_path, 1, memory=0) as processors:
        Workers(by_devices(CELLS), column.start, processors).run()
    return FakeProbe.asked, stored, told


def test_one_zygote_for_the_plain_cells_and_one_with_the_most_cards(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked, stored, _ = run(monkeypatch, tmp_path, None)
    assert asked == [(0, "cards/plain"), (0, "cards/real"), (3, "cards/two"), (3, "cards/three"), (3, "cards/one")]
    assert set(stored) == {planned.id for planned in CELLS}


@pytest.mark.parametrize("message", FAILURES)
def test_where_virtual_devices_cannot_be_had(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, message: str) -> None:
    failure = ProbeStartError(EnvReason.IMPORT_FAILED, f"virtualcuda.errors.{message}", module="virtualcuda")
    asked, stored, told = run(monkeypatch, tmp_path, failure)
    assert asked == [(0, "cards/plain"), (0, "cards/real")]
    virtual = {"cards/two", "cards/three", "cards/one"}
    if FAILURES[message] is None:  # an unknown trouble is no answer: nothing is stored, and it is told
        assert set(stored) == {"cards/plain", "cards/real"}
        assert "3 cells not run" in told[-1] and message in told[-1]
    else:
        assert {name for name, result in stored.items() if result.outcome == FAILURES[message]} == virtual
        assert all(message in str(stored[name].reason) for name in virtual)


def test_virtual_devices_that_cannot_be_had_again_in_mid_run_leave_cells_not_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The zygote had died, and could not be started once more: nothing is wrong with the environment."""
    monkeypatch.setattr(FakeProbe, "dies_at", "cards/three")
    asked, stored, told = run(monkeypatch, tmp_path, None)
    assert asked[-2:] == [(3, "cards/two"), (3, "cards/three")]
    assert set(stored) == {"cards/plain", "cards/real", "cards/two"}
    assert "2 cells not run: no virtual devices: the process died (signal 9)" in told[-1]


def test_only_the_first_thread_prints(tmp_path: Path) -> None:
    """One that waits for a terminal cannot be interrupted."""
    told: list[str] = []
    nothing: Any = None
    column = Measuring(
        plan=nothing,
        column=Column(version="1.0"),
        python=tmp_path,
        ground=nothing,
        settings=nothing,
        progress=told.append,
    )
    other = threading.Thread(target=column._say, args=("from another",))
    other.start()
    other.join()
    assert told == []
    column._say("from the first")
    assert told == ["from another", "from the first"]


def test_another_library_that_cannot_be_imported_is_the_environments_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    failure = ProbeStartError(EnvReason.IMPORT_FAILED, "importing torch failed", module="torch")
    with pytest.raises(ProbeStartError, match="importing torch failed"):
        run(monkeypatch, tmp_path, failure)
