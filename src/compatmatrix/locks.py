"""One at a time: a lock that ends with its holder, however that ends, and that says when it has to be waited for."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from compatmatrix.errors import StorageError


@contextlib.contextmanager
def alone(path: Path, waiting: Callable[[], object]) -> Iterator[None]:
    """While entered, nobody else holds the lock of this file; ``waiting`` is called where it is held by another.

    The kernel gives the lock back when its holder dies; what the file holds does not matter. Raises
    :class:`StorageError` where the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            waiting()
            lock.acquire()
    except OSError as error:
        raise StorageError(f"{path}: {error}", hint="make the state directory writable, or name another") from error
    try:
        yield
    finally:
        lock.release()
