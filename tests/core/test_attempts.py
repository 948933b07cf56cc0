"""Which attempts at a cell count, and which are made again because another process put an end to them."""

from __future__ import annotations

import signal
from collections.abc import Sequence

import pytest

from compatmatrix.attempts import run_cell
from compatmatrix.errors import StorageError
from compatmatrix.execute import Limits
from compatmatrix.matrix import Policy
from compatmatrix.plan import PlannedCell
from compatmatrix.records import Ended
from compatmatrix.results import CellResult, Outcome, Variant
from tests.core.factories import scenario

CELL = PlannedCell(id="llama/plain", scenario=scenario(), variant=Variant(label=""))
RECORD = {"schema": 1, "cell": CELL.id, "status": "done", "checks": [{"name": "x", "measured": 0, "limit": 0}]}
PASSED = Ended(how="exited", record=RECORD)
SEGFAULT = Ended(how="signal", number=signal.SIGSEGV, record_error="left no record")
LOST = Ended(how="lost", record_error="left no record")


def killed(number: int = signal.SIGKILL) -> Ended:
    return Ended(how="signal", number=number, record_error="left no record")


class Played:
    """A probe that ends as it is told, one attempt after the other; the last ending is repeated."""

    def __init__(self, *endings: Ended) -> None:
        self.endings, self.asked = endings, 0

    def run(self, cell: str, limits: Limits, needs: Sequence[str]) -> Ended:
        self.asked += 1
        return self.endings[min(self.asked, len(self.endings)) - 1]


def measured(*endings: Ended, retries: int = 1) -> tuple[CellResult, int, list[str]]:
    probe, told = Played(*endings), list[str]()
    return run_cell(probe, "1.0", CELL, Policy(retries=retries), told.append), probe.asked, told


@pytest.mark.parametrize("ending", [killed(), killed(signal.SIGTERM), killed(signal.SIGHUP), LOST])
@pytest.mark.parametrize("retries", [0, 1])
def test_what_another_process_ended_says_nothing_of_the_version(ending: Ended, retries: int) -> None:
    result, asked, told = measured(ending, PASSED, retries=retries)
    assert (result.outcome, result.attempts, result.flaky) == (Outcome.PASS, (Outcome.PASS,), False)
    assert asked == 2
    assert len(told) == 1
    assert "1.0  llama/plain" in told[0]


def test_a_crash_of_its_own_counts_although_it_does_not_come_again() -> None:
    result, asked, told = measured(SEGFAULT, PASSED)
    assert (result.outcome, result.attempts) == (Outcome.CRASH, (Outcome.CRASH, Outcome.PASS))
    assert (asked, told) == (2, [])


def test_a_cell_that_is_killed_each_time_brings_it_about() -> None:
    result, asked, _ = measured(killed(), retries=1)
    assert (result.outcome, result.attempts) == (Outcome.CRASH, (Outcome.CRASH,) * 2)
    assert asked == 4
    assert result.reason == "killed by SIGKILL"


def test_a_full_disk_is_nobodys_outcome() -> None:
    full = Ended(how="exited", number=70, log="OSError: [Errno 28] No space left on device", record_error="none")
    with pytest.raises(StorageError, match="no room on the disk while llama/plain ran"):
        measured(full)
