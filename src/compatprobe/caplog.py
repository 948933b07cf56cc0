"""A log file that keeps the beginning and the end of what a cell prints, however much that is."""

import collections
import contextlib
import os
from pathlib import Path
from typing import Deque


class CappedLog:
    """At most about ``limit`` bytes: the first half as it comes, the last half when it is finished."""

    def __init__(self, path: Path, limit: int) -> None:
        self._file = open(str(path), "wb", buffering=0)  # noqa: SIM115 - closed by finish()
        self._head = limit // 2
        self._keep = limit - self._head
        self._tail: Deque[bytes] = collections.deque()
        self._size = 0
        self._dropped = 0

    def write(self, data: bytes) -> None:
        """Take what the cell printed; the file's time changes, so that printing counts as progress."""
        head, rest = data[: self._head], data[self._head :]
        if head:
            self._put(head)
            self._head -= len(head)
        if rest:
            self._tail.append(rest)
            self._size += len(rest)
            while self._size - len(self._tail[0]) >= self._keep:
                self._drop(self._tail.popleft())
            os.utime(self._file.fileno())

    def _drop(self, data: bytes) -> None:
        self._size -= len(data)
        self._dropped += len(data)

    def finish(self) -> None:
        """Write the end, and how much was left out before it."""
        tail = b"".join(self._tail)
        extra = max(len(tail) - self._keep, 0)
        dropped = self._dropped + extra
        if dropped:
            self._put("\n[... {} bytes left out ...]\n".format(dropped).encode())
        self._put(tail[extra:])
        self._file.close()

    def _put(self, data: bytes) -> None:
        """Write; a full disk costs the log, never the process that watches the cell."""
        with contextlib.suppress(OSError):
            self._file.write(data)
