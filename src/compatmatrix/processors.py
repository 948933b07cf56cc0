"""Processors, shared by the columns of a state directory: whoever runs cells on one holds the lock of its file."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from compatmatrix.errors import StorageError
from compatmatrix.machine import free

_SETTLED_SECONDS = 1.0
"""A processor that is free for less may be wanted by a column that waits, and looks for one now and then."""
_POLL_SECONDS = 0.05, 0.2
"""At first, and for who has waited for long."""


class Processors:
    """A context manager: within it, a column may have a processor of its own, and others that nobody uses.

    It is given back on leaving. The kernel gives a lock back when its holder dies. One instance serves one thread;
    what :meth:`spare` returns serves any.

    Args:
        directory: of the lock files, one for each processor.
        number: of processors that all columns may use together; 0 where columns share none, and wait for none.
        memory: bytes that a cell may take.
        settled: seconds for which a processor must have been free before it is given to a column that has one.
    """

    def __init__(self, directory: Path, number: int, *, memory: int, settled: float = _SETTLED_SECONDS) -> None:
        self._files = [directory / f"{index}.lock" for index in range(number)]
        self._directory, self._settled, self._memory = directory, settled, memory
        self._own: Path | None = None
        self._give_back: Callable[[], None] = _nothing
        self._free_since: dict[Path, float] = {}

    def __enter__(self) -> Processors:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"{self._directory}: {error}", hint="make the state directory writable, or name another"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        if self._own is not None:
            self._give_back()
            self._own = None

    def wait(self, waiting: Callable[[], object] = lambda: None) -> None:
        """Take a processor of one's own; ``waiting`` is called once where all are in use."""
        pause, longest = _POLL_SECONDS
        told = False
        while self._files and not self._take_own():
            if not told:
                waiting()
                told = True
            time.sleep(pause)
            pause = min(1.2 * pause, longest)

    def spare(self) -> Callable[[], None] | None:
        """Take a processor that nobody has used for a while: what gives it back, or None where there is none.

        There is none, either, where memory would not do for a cell on each processor that is used then.
        """
        if len(self._files) < 2 or not self._take_own():
            return None
        used, settled = 1, []
        for file in self._files:
            if file == self._own:
                continue
            try:
                give_back = _taken(file)
            except OSError:
                give_back = None
            if give_back is None:
                used += 1
                self._free_since.pop(file, None)
            elif self._is_settled(file):
                settled.append((file, give_back))
            else:
                give_back()
        if not settled:
            return None
        room = free() >= (used + 1) * self._memory
        for _, give_back in settled[1 if room else 0 :]:
            give_back()
        if not room:
            return None
        file, give_back = settled[0]
        del self._free_since[file]
        return give_back

    def _is_settled(self, file: Path) -> bool:
        now = time.monotonic()
        return now - self._free_since.setdefault(file, now) >= self._settled

    def _take_own(self) -> bool:
        for file in self._files if self._own is None else ():
            try:
                give_back = _taken(file)
            except OSError:  # no lock can be had, for which nobody need wait: a disk that is full ends no column here
                give_back = _nothing
            if give_back is not None:
                self._own, self._give_back = file, give_back
                break
        return self._own is not None


def _nothing() -> None:
    pass


def _taken(file: Path) -> Callable[[], None] | None:
    """Take the lock of a file: what gives it back, also from another thread; None where somebody has it."""
    # A lock of its own each time: one that is shared by threads counts how often it was taken.
    lock = FileLock(file, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock.release
