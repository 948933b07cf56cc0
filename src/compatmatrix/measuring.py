"""The cells of a column that must be run: with which probes, and what is stored of each."""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from compatmatrix.attempts import Progress, run_cell
from compatmatrix.execute import Probe, ProbeStartError
from compatmatrix.listings import PROBE
from compatmatrix.plan import Plan, PlannedCell
from compatmatrix.results import CellResult, Column, Outcome
from compatmatrix.settings import Settings
from compatmatrix.store import Store
from compatmatrix.text import one_line
from compatmatrix.wholeness import Ground
from compatmatrix.workers import Run, Share

#: What virtual devices say where the machine or the build of torch cannot have them.
_NO_VIRTUAL_DEVICES = ("NoCompilerError", "UnsuitableTorchError")


@dataclass(kw_only=True)
class Measuring:
    """One column while its cells are run; :meth:`start` serves several threads. ``done`` of its cells have a result."""

    plan: Plan
    column: Column
    python: Path
    ground: Ground
    settings: Settings
    progress: Progress
    done: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextlib.contextmanager
    def start(self, share: Share, worker: int, stop: threading.Event) -> Iterator[Run]:
        """A probe for a share of the cells, and what has it run one and stores the result.

        Raises :class:`ProbeStartError`, but not where virtual devices are lacking: nothing is wrong with the
        environment then, nor with the version. What a machine lacks is an answer; any other trouble leaves the cells
        not run, and is told.
        """
        column, settings = self.column, self.settings
        self.progress(
            f"{column.version}  importing transformers {column.transformers}"
            + (" once more: a processor is free" if worker else "")
        )
        with contextlib.ExitStack() as stack:
            store = stack.enter_context(Store(settings.store))
            probe = Probe(
                self.python,
                PROBE,
                settings.scenario_roots,
                settings.work / f"{column.environment}-{share.devices}-{worker}",
                isolation=settings.isolation,
                threads=self.plan.matrix.policy.threads,
                virtual_cuda=share.devices,
                environ=settings.environ,
                stop=stop,
            )
            try:
                stack.enter_context(probe)
            except ProbeStartError as error:
                if error.module != "virtualcuda" or share.workers > 1:
                    raise
                yield self._without_devices(one_line(str(error)), share, store)
            else:
                yield lambda cell: self._run(probe, cell, store)

    def _run(self, probe: Probe, cell: PlannedCell, store: Store) -> None:
        self._told(cell)
        result = run_cell(probe, self.column.version, cell, self.plan.matrix.policy, self.progress)
        self.ground.doubt(result)
        self._keep(cell, result, store)

    def _without_devices(self, why: str, share: Share, store: Store) -> Run:
        version = self.column.version
        if any(kind in why for kind in _NO_VIRTUAL_DEVICES):
            return lambda cell: self._keep(
                cell, CellResult(cell=cell.id, version=version, outcome=Outcome.SKIPPED, reason=why), store
            )
        self.progress(f"{version}  {len(share.left)} cells not run: no virtual devices: {why}")
        return lambda _: None

    def _told(self, cell: PlannedCell) -> None:
        with self._lock:
            self.done += 1
            self.progress(f"{self.column.version}  {self.done}/{len(self.plan.cells)}  {cell.id}")

    def _keep(self, cell: PlannedCell, result: CellResult, store: Store) -> None:
        # With microseconds: who repeats a cell tells the new row from the old one by it.
        measured_at = datetime.datetime.now(datetime.timezone.utc)
        key = self.plan.key(self.column, cell)
        store.put(result.model_copy(update={"key": key, "measured_at": measured_at}))


def by_devices(cells: Sequence[PlannedCell]) -> list[tuple[int, list[PlannedCell]]]:
    """The cells that need no virtual devices, and those that do, with the largest number that any of them needs."""
    needs = {cell.id: max((_devices(need) for need in cell.variant.needs), default=0) for cell in cells}
    groups = [[cell for cell in cells if bool(needs[cell.id]) is virtual] for virtual in (False, True)]
    return [(max(needs[cell.id] for cell in group), group) for group in groups if group]


def _devices(need: str) -> int:
    kind, _, count = need.partition(":")
    return int(count or 1) if kind == "virtual-cuda" else 0
