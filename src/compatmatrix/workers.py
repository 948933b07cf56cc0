"""The cells of one column, shared among workers: one that a column always has, and one for each processor to spare.

A worker is a probe and the thread that drives it. Which worker runs a cell says nothing about its result: each cell
has a process of its own, as it has beside another column.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from compatmatrix.errors import InfrastructureError
from compatmatrix.execute import Stopped
from compatmatrix.plan import PlannedCell
from compatmatrix.processors import Processors
from compatmatrix.wholeness import EnvironmentLost

_JOIN_SECONDS = 0.2

Run = Callable[[PlannedCell], None]


@dataclass
class Share:
    """The cells that probes of one kind can run: the number of their virtual devices, and the cells that are left.

    ``closed`` to all but the first worker once another one could not run cells of it.
    """

    devices: int
    left: deque[PlannedCell]
    workers: int = 0
    done: int = 0
    seconds: float = 0.0
    closed: bool = False

    def wants(self, worker: int, start: float, mean: float = 0.0) -> bool:
        """Whether this worker, which first takes so many seconds to start, would end it sooner.

        ``mean`` is what a cell of any share took. Families stand together: where those of the first one are quick,
        because the version does not know it, they say little of the rest.
        """
        if not self.left or (self.closed and (worker or self.workers)):
            return False
        if not self.workers or not self.done:
            return not self.workers
        rest = len(self.left) * max(self.seconds / self.done, mean)
        return rest / self.workers > start + rest / (self.workers + 1)


Start = Callable[[Share, int, threading.Event], AbstractContextManager[Run]]
"""Starts the probe of a worker, numbered from 0, for a share; within it, what runs one cell.

Both end with :class:`compatmatrix.execute.Stopped` once the event is set.
"""


class Workers:
    """Runs all cells of some groups, each with its number of virtual devices; :meth:`run` returns when all have run.

    Whatever one worker raises ends the others, within about a second, and is raised; but what ails a worker that is not
    alone (no process, no memory, a probe that does not start) ends that worker only, and others run its cells.

    Args:
        groups: the number of virtual devices, and the cells that need them.
        start: starts a probe.
        processors: where there may be one to spare.
        heard: called by the thread of :meth:`run` every now and then, also while it waits.
    """

    def __init__(
        self,
        groups: Sequence[tuple[int, Sequence[PlannedCell]]],
        start: Start,
        processors: Processors,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        self._shares = [Share(devices, deque(cells)) for devices, cells in groups]
        self._start, self._processors, self._heard = start, processors, heard
        self._start_seconds = 0.0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._helpers: list[threading.Thread] = []
        self._failures: list[BaseException] = []

    def run(self) -> None:
        try:
            self._work(0)
        except Stopped:
            pass
        except BaseException:
            self._stop.set()
            self._wait()
            raise  # and nothing is told: the interrupt may have come because nobody reads
        self._wait()
        self._heard()
        if self._failures:
            raise self._failures[0]

    def _wait(self) -> None:
        for helper in self._helpers:
            while helper.is_alive():  # with a timeout: an interrupt that comes meanwhile is not kept waiting
                helper.join(_JOIN_SECONDS)

    def _ask_for_help(self) -> None:
        """Begin one more worker where there is a processor to spare, and something for it to do."""
        with self._lock:
            worker = len(self._helpers) + 1
            wanted = self._choice(worker) is not None
        if not wanted or (give_back := self._processors.spare()) is None:
            return

        def help_() -> None:
            try:
                self._work(worker)
            except Stopped:
                pass
            except BaseException as error:
                self._failures.append(error)
                self._stop.set()
            finally:
                give_back()

        helper = threading.Thread(target=help_, name=f"worker-{worker}")
        try:
            helper.start()
        except RuntimeError:  # the machine has no room for a thread
            give_back()
        else:
            self._helpers.append(helper)

    def _choice(self, worker: int) -> Share | None:
        """The first share that nobody works on, or of those that want one more the one with the most cells left."""
        done = sum(share.done for share in self._shares)
        mean = sum(share.seconds for share in self._shares) / done if done else 0.0
        wanting = [share for share in self._shares if share.wants(worker, self._start_seconds, mean)]
        return min(wanting, key=lambda share: (share.workers, -len(share.left) if share.workers else 0), default=None)

    def _work(self, worker: int) -> None:
        while not self._stop.is_set():
            alone = not any(helper.is_alive() for helper in self._helpers)
            with self._lock:
                share = self._choice(worker)
                ended = alone and not any(each.left for each in self._shares)
                if share is not None:
                    share.workers += 1
            if share is not None:
                if not self._run_some(share, worker) and worker:
                    return
            elif worker or ended:
                return
            else:  # what is left may yet want one more, and a cell that a helper has may be given back
                self._stop.wait(_JOIN_SECONDS)
                self._heard()

    def _run_some(self, share: Share, worker: int) -> bool:
        """Run cells of a share until none is left; whether this worker could."""
        if not worker:
            self._ask_for_help()
        cell: PlannedCell | None = None
        judged: BaseException | None = None
        fatal = False
        began = time.monotonic()
        try:
            with self._start(share, worker, self._stop) as run:
                self._start_seconds = time.monotonic() - began
                try:
                    while (cell := self._next(share, worker)) is not None:
                        self._timed(run, cell, share)
                        if not worker:
                            self._ask_for_help()
                except BaseException as error:
                    # At once: closing the probe takes a while, in which the others can end.
                    judged, fatal = error, self._is_fatal(error, share, worker)
                    if fatal:
                        self._stop.set()
                    raise
            return True
        except InfrastructureError as error:
            # What closing raised may be another error than the one that closed it.
            if fatal if error is judged else self._is_fatal(error, share, worker):
                raise
            with self._lock:
                share.closed = True
                if cell is not None:
                    share.left.append(cell)
            return False
        finally:
            with self._lock:
                share.workers -= 1

    def _is_fatal(self, error: BaseException, share: Share, worker: int) -> bool:
        """Whether an error ends the column: what ails one of several workers leaves the cells to the others."""
        with self._lock:
            ails_one = isinstance(error, InfrastructureError) and not isinstance(error, EnvironmentLost)
            return not ails_one or (not worker and share.workers == 1)

    def _timed(self, run: Run, cell: PlannedCell, share: Share) -> None:
        began = time.monotonic()
        run(cell)
        with self._lock:
            share.done += 1
            share.seconds += time.monotonic() - began

    def _next(self, share: Share, worker: int) -> PlannedCell | None:
        with self._lock:
            if self._stop.is_set() or not share.left:
                return None
            # Helpers from the other end: neighbouring cells use the same checkpoints and modules.
            return share.left.pop() if worker else share.left.popleft()
