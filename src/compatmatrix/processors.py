"""Processors, shared by the columns of a state directory: whoever runs cells on one holds the lock of its file."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock, Timeout

from compatmatrix.errors import StorageError
from compatmatrix.memory import free

_SETTLED_SECONDS = 3.0
"""A processor that is free for less may be wanted by the next column, whose process has yet to start."""


def available() -> int:
    """How many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return max(1, len(affinity(0)) if affinity else os.cpu_count() or 1)


class Processors:
    """A context manager: within it, a column has a processor of its own, and may ask for others that nobody uses.

    It waits for none: a column that finds all taken runs nevertheless, and takes one when it is free. The kernel
    gives a lock back when its holder dies. One instance serves one thread; what :meth:`spare` returns serves any.

    Args:
        directory: of the lock files, one for each processor.
        number: of processors that all columns may use together.
        memory: bytes that a cell may take.
        settled: seconds for which a processor must have been free before it is given to a column that has one.
    """

    def __init__(self, directory: Path, number: int, *, memory: int, settled: float = _SETTLED_SECONDS) -> None:
        # Of no thread: a lock is given back by the thread that used the processor.
        self._locks = [FileLock(directory / f"{index}.lock", thread_local=False) for index in range(number)]
        self._directory, self._settled, self._memory = directory, settled, memory
        self._own: FileLock | None = None
        self._free_since: dict[FileLock, float] = {}

    def __enter__(self) -> Processors:
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"{self._directory}: {error}", hint="make the state directory writable, or name another"
            ) from error
        self._take_own()
        return self

    def __exit__(self, *_: object) -> None:
        if self._own is not None:
            self._own.release()
            self._own = None

    def spare(self) -> Callable[[], None] | None:
        """Take a processor that nobody has used for a while: what gives it back, or None where there is none.

        There is none, either, where memory would not do for a cell more beside one that has yet to take its own.
        """
        if len(self._locks) == 1 or not self._take_own():
            return None
        now = time.monotonic()
        for lock in self._locks:
            if lock is self._own:
                continue
            if not _acquired(lock):
                self._free_since.pop(lock, None)
            elif now - self._free_since.setdefault(lock, now) >= self._settled and free() >= 2 * self._memory:
                del self._free_since[lock]
                return lock.release
            else:
                lock.release()
        return None

    def _take_own(self) -> bool:
        if self._own is None:
            self._own = next((lock for lock in self._locks if _acquired(lock)), None)
        return self._own is not None


def _acquired(lock: FileLock) -> bool:
    if lock.is_locked:  # by a worker of this column: the lock would count, and be given twice
        return False
    try:
        lock.acquire(timeout=0)
    except (Timeout, OSError):  # no lock, no processor: a disk that is full must not end a column here
        return False
    return True
