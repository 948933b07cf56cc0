"""What a cell may use, and whether it still keeps to it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from compatmatrix.execute.processes import tree_memory
from compatmatrix.records import How


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a cell may use: seconds, bytes. 0 for ``no_progress`` or ``memory`` does not look at it."""

    timeout: float = 300.0
    no_progress: float = 0.0
    memory: int = 8 << 30
    log: int = 1 << 20


class Watch:
    """Time, progress and memory of a running cell."""

    def __init__(self, limits: Limits, out: Path, pid: int) -> None:
        self.start = self._moved = time.monotonic()
        self.peak = 0
        self.started = False
        self._limits = limits
        self._out = out
        self._pid = pid
        self._state = self._look()

    def exceeded(self) -> How | None:
        """The limit that the cell has passed, if any."""
        now = time.monotonic()
        memory = tree_memory(self._pid)
        self.peak = max(self.peak, memory)
        if self._limits.memory and memory > self._limits.memory:
            return "memory"
        if now - self.start > self._limits.timeout:
            return "timeout"
        state = self._look()
        if state != self._state:
            self._state, self._moved = state, now
        if self._limits.no_progress and now - self._moved > self._limits.no_progress:
            return "no-progress"
        return None

    def _look(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_change(self._out / name) for name in ("progress", "log"))


def _change(path: Path) -> tuple[int, int] | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_size, facts.st_mtime_ns
