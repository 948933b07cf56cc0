"""The cells of a column that must be run: with which probes, and what is stored of each."""

from __future__ import annotations

import contextlib
import datetime
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue

from compatmatrix.attempts import Progress, run_cell
from compatmatrix.execute import Probe, ProbeStartError
from compatmatrix.listings import PROBE
from compatmatrix.pending import Pending
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
    _thread: threading.Thread = field(default_factory=threading.current_thread)
    _lines: SimpleQueue[str] = field(default_factory=SimpleQueue)

    @contextlib.contextmanager
    def start(self, share: Share, worker: int, stop: threading.Event) -> Iterator[Run]:
        """A probe for a share of the cells, and what has it run one and stores the result.

        Raises :class:`ProbeStartError`, but for the first worker not where virtual devices are lacking: nothing is
        wrong with the environment then, nor with the version. What a machine lacks is an answer; any other trouble
        leaves the cells not run, and is told.
        """
        column, settings = self.column, self.settings
        self._say(
            f"{column.version}  importing transformers {column.transformers}"
            + (" once more: a processor is free" if worker else "")
        )
        with contextlib.ExitStack() as stack:
            pending = Pending(self.ground, stack.enter_context(Store(settings.store)))
            probe = Probe(
                self.python,
                PROBE,
                settings.scenario_roots,
                settings.slot(column.environment, share.devices, worker),
                isolation=settings.isolation,
                threads=self.plan.matrix.policy.threads,
                virtual_cuda=share.devices,
                environ=settings.environ,
                stop=stop,
                heard=pending.look,
            )
            try:
                stack.enter_context(probe)
            except ProbeStartError as error:
                if not self._lacks_devices(error, share, worker):
                    raise
                run = self._without_devices(error, share, pending)
            else:
                run = self._with(probe, share, worker, pending)
            with pending:  # what waits is stored before the probe is closed, which may take a while
                yield run

    def tell(self) -> None:
        """Tell what other threads had to say; for the thread that made this one.

        They do not print: a thread that waits for a terminal cannot be interrupted.
        """
        with contextlib.suppress(Empty):
            while True:
                self.progress(self._lines.get_nowait())

    def _say(self, line: str) -> None:
        self._lines.put(line)
        if threading.current_thread() is self._thread:
            self.tell()

    def _with(self, probe: Probe, share: Share, worker: int, pending: Pending) -> Run:
        gone = False

        def run(cell: PlannedCell) -> None:
            nonlocal gone
            try:
                if not gone:
                    self._run(probe, cell, pending)
            except ProbeStartError as error:  # it had died, and could not be started again
                if not self._lacks_devices(error, share, worker):
                    raise
                gone = True
                self._not_run(len(share.left) + 1, error)

        return run

    @staticmethod
    def _lacks_devices(error: ProbeStartError, share: Share, worker: int) -> bool:
        return error.module == "virtualcuda" and not worker and share.workers == 1

    def _without_devices(self, error: ProbeStartError, share: Share, pending: Pending) -> Run:
        version, why = self.column.version, one_line(str(error))
        if any(kind in why for kind in _NO_VIRTUAL_DEVICES):
            return lambda cell: self._keep(
                cell, CellResult(cell=cell.id, version=version, outcome=Outcome.SKIPPED, reason=why), pending
            )
        self._not_run(len(share.left), error)
        return lambda _: None

    def _not_run(self, cells: int, error: ProbeStartError) -> None:
        self._say(f"{self.column.version}  {cells} cells not run: no virtual devices: {one_line(str(error))}")

    def _run(self, probe: Probe, cell: PlannedCell, pending: Pending) -> None:
        with self._lock:
            self.done += 1
            done = self.done
        self._say(f"{self.column.version}  {done}/{len(self.plan.cells)}  {cell.id}")
        result = run_cell(probe, self.column.version, cell, self.plan.matrix.policy, self._say)
        self._keep(cell, result, pending)

    def _keep(self, cell: PlannedCell, result: CellResult, pending: Pending) -> None:
        # With microseconds: who repeats a cell tells the new row from the old one by it.
        measured_at = datetime.datetime.now(datetime.timezone.utc)
        key = self.plan.key(self.column, cell)
        pending.add(result.model_copy(update={"key": key, "measured_at": measured_at}))


def by_devices(cells: Sequence[PlannedCell]) -> list[tuple[int, list[PlannedCell]]]:
    """The cells that need no virtual devices, and those that do, with the largest number that any of them needs."""
    needs = {cell.id: max((_devices(need) for need in cell.variant.needs), default=0) for cell in cells}
    groups = [[cell for cell in cells if bool(needs[cell.id]) is virtual] for virtual in (False, True)]
    return [(max(needs[cell.id] for cell in group), group) for group in groups if group]


def _devices(need: str) -> int:
    kind, _, count = need.partition(":")
    return int(count or 1) if kind == "virtual-cuda" else 0
