"""The cells of one column, shared among workers: one that a column always has, and one for each processor to spare.

A worker is a probe and the thread that drives it. Which worker runs a cell says nothing about its result: each cell
has a process of its own, as it has beside another column.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from compatmatrix.execute import ProbeStartError, Stopped
from compatmatrix.plan import PlannedCell
from compatmatrix.processors import Processors

_JOIN_SECONDS = 0.2

Run = Callable[[PlannedCell], None]


@dataclass
class Share:
    """The cells that probes of one kind can run: the number of their virtual devices, and the cells that are left.

    ``closed`` once a worker that wanted to join the others could not start.
    """

    devices: int
    left: deque[PlannedCell]
    workers: int = 0
    done: int = 0
    seconds: float = 0.0
    closed: bool = False

    def wants(self, start: float) -> bool:
        """Whether one more worker, which first takes so many seconds to start, would end it sooner."""
        if not self.left or not self.workers:
            return bool(self.left)
        if self.closed or not self.done:
            return False
        rest = len(self.left) * self.seconds / self.done
        return rest / self.workers > start + rest / (self.workers + 1)


Start = Callable[[Share, int, threading.Event], AbstractContextManager[Run]]
"""Starts the probe of a worker, numbered from 0, for a share; within it, what runs one cell.

Both end with :class:`compatmatrix.execute.Stopped` once the event is set.
"""


class Workers:
    """Runs all cells of some groups, each with its number of virtual devices; :meth:`run` returns when all have run.

    Whatever one worker raises ends the others, within about a second, and is raised.
    """

    def __init__(
        self, groups: Sequence[tuple[int, Sequence[PlannedCell]]], start: Start, processors: Processors
    ) -> None:
        self._shares = [Share(devices, deque(cells)) for devices, cells in groups]
        self._start, self._processors = start, processors
        self._start_seconds = 0.0
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._helpers: list[threading.Thread] = []
        self._failures: list[BaseException] = []

    def run(self) -> None:
        try:
            self._work(0)
            self._wait()
        except Stopped:
            self._wait()
        except BaseException:
            self._stop.set()
            self._wait()
            raise
        if self._failures:
            raise self._failures[0]

    def _wait(self) -> None:
        # With a timeout: an interrupt that comes meanwhile is not kept waiting.
        for helper in self._helpers:
            while helper.is_alive():
                helper.join(_JOIN_SECONDS)

    def _ask_for_help(self) -> None:
        """Begin one more worker where there is a processor to spare, and something for it to do."""
        with self._lock:
            wanted = self._choice() is not None
        if not wanted or (give_back := self._processors.spare()) is None:
            return
        worker = len(self._helpers) + 1

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

        self._helpers.append(threading.Thread(target=help_, name=f"worker-{worker}"))
        self._helpers[-1].start()

    def _choice(self) -> Share | None:
        """The first share that nobody works on, or of those that want one more the one with the most cells left."""
        wanting = [share for share in self._shares if share.wants(self._start_seconds)]
        return min(wanting, key=lambda share: (share.workers, -len(share.left) if share.workers else 0), default=None)

    def _work(self, worker: int) -> None:
        while not self._stop.is_set():
            with self._lock:
                share = self._choice()
                ended = not any(each.left for each in self._shares)
                if share is not None:
                    share.workers += 1
            if share is not None:
                self._run_some(share, worker)
            elif ended or worker:
                return
            else:  # what is left may yet want one more
                self._stop.wait(_JOIN_SECONDS)

    def _run_some(self, share: Share, worker: int) -> None:
        joins = share.workers > 1
        if not worker:
            self._ask_for_help()
        began = time.monotonic()
        try:
            with contextlib.ExitStack() as stack:
                try:
                    run = stack.enter_context(self._start(share, worker, self._stop))
                except ProbeStartError:
                    if not joins:
                        raise
                    share.closed = True  # what is left is for those that could start
                    return
                self._start_seconds = time.monotonic() - began
                while (cell := self._next(share, worker)) is not None:
                    self._timed(run, cell, share)
                    if not worker:
                        self._ask_for_help()
        finally:
            with self._lock:
                share.workers -= 1

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
