"""Columns in processes of this machine, some of them at once."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass

from filelock import FileLock, Timeout

from compatmatrix import environment
from compatmatrix.column_process import ColumnProcess
from compatmatrix.errors import Exit
from compatmatrix.settings import Settings
from compatmatrix.sweep import Echo, Ended
from compatmatrix.text import clean

_QUIET_SECONDS = 30.0
_AHEAD = 2
"""Columns that have begun and wait for a processor: what one of them waits for, resolves and builds costs no time."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """How this machine goes about it. ``arguments`` is what ``compatmatrix column`` is given beside the version.

    ``room`` is the free space in bytes below which environments of finished columns are removed.
    """

    arguments: tuple[str, ...]
    jobs: int = 1
    keep_environments: bool = False
    room: int = 5 << 30


class Local:
    """The :class:`compatmatrix.sweep.Executor` that needs nothing but this machine."""

    elsewhere = False

    def __init__(self, settings: Settings, work: Work, echo: Echo) -> None:
        self._settings, self._work, self._echo = settings, work, echo
        self._running: set[ColumnProcess] = set()
        self._stopped = False
        self._lock = threading.Lock()
        self._there_before = self._environments()
        self._finished: list[str] = []

    def __str__(self) -> str:
        return f"{self._work.jobs} at once"

    def at_once(self, columns: int) -> int:
        return min(columns, self._work.jobs + _AHEAD)

    def column(self, id: str, cells: tuple[str, ...]) -> Ended:
        self._make_room()
        with self._lock:
            if self._stopped:
                return Ended(Exit.INTERRUPTED)
            process = ColumnProcess(id, self._work.arguments, cells, self._settings.environ)
            self._running.add(process)
        told = began = time.monotonic()

        def heard(line: str) -> None:
            nonlocal told
            if time.monotonic() - told > _QUIET_SECONDS:
                told = time.monotonic()
                self._echo(clean(line, limit=300))

        try:
            status, output = process.follow(heard)
            return Ended(status, output, time.monotonic() - began)
        finally:
            with self._lock:
                self._running.discard(process)

    def finished(self, environment: str) -> None:
        with self._lock:
            self._finished.append(environment)
        self._make_room()

    def end(self) -> None:
        with self._lock:
            self._stopped = True
            running = list(self._running)
        for process in running:
            process.let_go()
        for process in running:
            process.end()

    def _environments(self) -> frozenset[str]:
        folder = self._settings.environments
        return frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset()

    def _make_room(self) -> None:
        """Below the low-water mark, remove environments that were made here and are no longer needed, oldest first."""
        if self._work.keep_environments:
            return
        self._settings.state.mkdir(parents=True, exist_ok=True)
        with self._lock:
            while self._finished and shutil.disk_usage(self._settings.state).free < self._work.room:
                name = self._finished.pop(0)
                if name not in self._there_before and self._remove(name):
                    self._echo(f"disk is short: removed the environment {name}")

    def _remove(self, name: str) -> bool:
        try:
            with FileLock(self._settings.in_use(name), timeout=0):
                return environment.remove(self._settings.environments, name)
        except Timeout:  # another run is at work in it
            return False
