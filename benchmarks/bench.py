"""What the sections share: the sample, a scratch state, and the runs that several of them compare with."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from benchmarks.figures import sample
from benchmarks.usage import Usage, spend
from compatmatrix import pipeline
from compatmatrix.execute import Probe
from compatmatrix.listings import PROBE
from compatmatrix.machine import processors
from compatmatrix.measuring import by_devices
from compatmatrix.plan import PlannedCell
from compatmatrix.results import Column, Outcome, Run
from compatmatrix.store import Store

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ROOT / "scenarios"


@dataclass(frozen=True)
class Bench:
    """One run of the benchmarks in a scratch directory; runs are made once, when a section first asks for them."""

    directory: Path
    count: int
    versions: tuple[str, ...]
    full: bool = False

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @cached_property
    def job(self) -> pipeline.Job:
        wanted = ",".join(self.versions)
        return pipeline.load(
            matrix_file=ROOT / "matrix.yaml", scenario_roots=(SCENARIOS,), state=self.state, versions=wanted
        )

    @property
    def every(self) -> tuple[PlannedCell, ...]:
        return self.job.plan.cells

    @cached_property
    def sample(self) -> tuple[str, ...]:
        """The cells that are run, in each column."""
        return tuple(sample([cell.id for cell in self.every], self.count))

    @property
    def groups(self) -> list[tuple[int, list[str]]]:
        """The sample as a column runs it: the number of virtual cards, and the cells of that import."""
        planned = {cell.id: cell for cell in self.every}
        groups = by_devices([planned[id] for id in self.sample])
        return [(devices, [cell.id for cell in cells]) for devices, cells in groups]

    @property
    def processors(self) -> int:
        return processors()

    def compatmatrix(self, *arguments: str) -> Usage:
        """The cost of a command of the tool."""
        return self._spend([sys.executable, "-m", "compatmatrix", *arguments], (0, 3, 4, 5))

    def nox(self, session: str, cells: Sequence[str], *more: str) -> Usage:
        """The cost of a session over some cells of every column (none named: all), as a user would run it."""
        given = [f"--state={self.state}", f"--output={self.report}", f"--versions={','.join(self.versions)}"]
        given += [*more, *(f"--cells={cell}" for cell in cells)]
        sessions = [f"column({version})" for version in self.versions] if session == "column" else [session]
        return self._spend([sys.executable, "-m", "nox", "-s", *sessions, "--", *given], (0, 1))  # 1: there is news

    def _spend(self, command: Sequence[str], statuses: Sequence[int]) -> Usage:
        return spend(command, cwd=ROOT, log=self.directory / "log", statuses=statuses)

    @property
    def report(self) -> Path:
        return self.state / "report"

    # -- the runs

    @cached_property
    def warm(self) -> bool:
        """Fill uv's cache and build the shim for virtual cards: what a machine has after its first run."""
        tell("filling uv's cache")
        state = self.directory / "warm"
        for version in self.versions:
            self.compatmatrix("environment", version, f"--state={state}")
        python = next((state / "environments").glob("*/bin/python"))
        with Probe(python, PROBE, [SCENARIOS], self.directory / "slot", virtual_cuda=2):
            pass
        shutil.rmtree(state)
        return True

    @cached_property
    def cold(self) -> Usage:
        """``nox -s matrix`` over the sample, from nothing but warm package caches."""
        assert self.warm
        tell("nox -s matrix, cold")
        used = self.nox("matrix", self.sample)
        run = Run.from_json((self.report / "latest.json").read_bytes())
        lost = [row for row in run.results if row.outcome in (Outcome.NOT_RUN, Outcome.ENV_FAIL)]
        if lost:
            raise SystemExit(f"{len(lost)} cells were not run, {lost[0].cell} in {lost[0].version}: {lost[0].reason}")
        return used

    @cached_property
    def cells(self) -> Usage:
        """The columns over the sample again, measured anew in the environments that are there."""
        assert self.cold
        tell("the cells of the columns, anew")
        return self.nox("column", self.sample, "--fresh")

    @cached_property
    def start(self) -> Usage:
        """The columns over the sample, with nothing left to be run: what their start and resolution cost."""
        assert self.cells
        tell("the columns, unchanged")
        return self.nox("column", self.sample)

    @cached_property
    def each(self) -> Usage:
        """One more cell of one column, from the sample against one four times as large, or a fourth of it."""
        ours, size = self.cells, 4 * len(self.sample)
        size = size if size <= len(self.every) else max(1, len(self.sample) // 4)
        other = sample([cell.id for cell in self.every], size)
        tell(f"the cells of the columns, {size} in each")
        more = self.nox("column", other, "--fresh") - ours
        number = (len(other) - len(self.sample)) * len(self.versions)
        return Usage(wall=more.wall / number, processor=more.processor / number)

    @cached_property
    def everything(self) -> Usage | None:
        """The whole matrix, cold; nothing where only the sample was asked for, and that is not all."""
        if len(self.sample) == len(self.every):
            return self.cold
        if not self.full:
            return None
        shutil.rmtree(self.state, ignore_errors=True)
        tell("nox -s matrix, every cell, cold")
        return self.nox("matrix", ())

    @property
    def columns(self) -> dict[str, Column]:
        """What the versions were resolved to."""
        assert self.cold
        with Store(self.job.settings.store) as store:
            return store.columns()

    def python(self, column: Column) -> Path:
        return self.state / "environments" / column.environment / "bin" / "python"


def tell(text: str) -> None:
    """Say what is being measured, for whoever waits."""
    print(f"… {text}", file=sys.stderr, flush=True)
