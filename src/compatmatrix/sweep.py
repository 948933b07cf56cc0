"""Many columns at once: one for every release, each a process of its own, taken up where the last sweep stopped.

The unit of work is ``compatmatrix column``: self-contained, and idempotent because results are keyed by content.
What the machine or the network did is tried again and never becomes a version's outcome.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from filelock import FileLock, Timeout

from compatmatrix import assemble, environment
from compatmatrix.errors import Exit, InputError
from compatmatrix.plan import Plan
from compatmatrix.report.display import duration
from compatmatrix.results import Column, EnvReason, Outcome
from compatmatrix.runner import Settings
from compatmatrix.store import Store
from compatmatrix.sweep_sheet import cells_of
from compatmatrix.text import clean, one_line

Echo = Callable[[str], None]

#: Infrastructure that may be well again in a minute; every other reason answers the same each time.
_PASSING = frozenset({EnvReason.UNREACHABLE, EnvReason.DISK_FULL})
_QUIET_SECONDS = 30.0
_GRACE_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Work:
    """How a sweep goes about it. ``arguments`` is what ``compatmatrix column VERSION`` is given beside the version.

    ``room`` is the free space in bytes below which environments of finished columns are removed, ``pauses`` are the
    seconds before each further attempt after an infrastructure failure.
    """

    arguments: tuple[str, ...]
    jobs: int = 1
    keep_environments: bool = False
    room: int = 5 << 30
    pauses: tuple[float, ...] = (5.0, 30.0, 120.0)


@dataclass
class _Progress:
    """Counts finished columns and says how long the rest will take."""

    total: int
    echo: Echo
    began: float = field(default_factory=time.monotonic)
    done: int = 0

    def finished(self, version: str, told: str) -> None:
        self.done += 1
        left = self.total - self.done
        eta = (time.monotonic() - self.began) / self.done * left
        rest = f" · {left} to go, about {duration(eta)}" if left else ""
        self.echo(f"[{self.done}/{self.total}] {version}  {told}{rest}")


class Sweep:
    """Runs the columns of a plan that are asked for; :meth:`run` returns what each process ended with."""

    def __init__(self, plan: Plan, settings: Settings, work: Work, echo: Echo) -> None:
        self._plan, self._settings, self._work, self._echo = plan, settings, work, echo
        self._running: set[subprocess.Popen[str]] = set()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._there_before = self._environments()
        self._finished: list[str] = []

    def run(self, cells: Mapping[str, Iterable[str]]) -> dict[str, Exit]:
        """Run these columns, each with its cells (none named: all of the plan), ``jobs`` of them at once.

        An interrupt ends every process before it passes on. Raises :class:`InputError` where a process refuses what
        it was given: the others would refuse it too.
        """
        progress = _Progress(len(cells), self._echo)
        ended: dict[str, Exit] = {}
        with ThreadPoolExecutor(max_workers=max(1, self._work.jobs)) as pool:
            try:
                futures = {pool.submit(self._column, id, tuple(some)): id for id, some in cells.items()}
                for future in as_completed(futures):
                    id = futures[future]
                    ended[id], told = future.result()
                    progress.finished(id, told)
            except BaseException:
                self._end()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return ended

    def _column(self, id: str, cells: tuple[str, ...]) -> tuple[Exit, str]:
        began = time.monotonic()
        status, output = Exit.OK, ""
        for pause in (*self._work.pauses, None):
            self._make_room()
            status, output = self._process(id, cells)
            with Store(self._settings.store) as store:
                column = assemble.current(self._plan, store.columns()).get(id)
            trouble = _trouble(status, column, output)
            if not trouble or pause is None or self._stop.is_set():
                break
            self._echo(f"{id}  {trouble}; trying again in {pause:g} s")
            self._stop.wait(pause)
        if column is not None and column.environment:
            with self._lock:
                self._finished.append(column.environment)
        self._make_room()
        return status, self._told(column, status, output, time.monotonic() - began)

    def _process(self, id: str, cells: tuple[str, ...]) -> tuple[Exit, str]:
        """One process from its start to its end, and the last lines it printed."""
        command = [sys.executable, "-m", "compatmatrix", "column", id, *self._work.arguments]
        command += [f"--cells={cell}" for cell in cells]
        with self._lock:
            if self._stop.is_set():
                return Exit.INTERRUPTED, ""
            process = subprocess.Popen(
                command,
                env=dict(self._settings.environ),
                stdin=subprocess.DEVNULL,
                # Where this process is killed, the next line that the other prints ends that one too.
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                encoding="utf-8",
                errors="replace",
            )
            self._running.add(process)
        lines: list[str] = []
        told = time.monotonic()
        try:
            for line in process.stdout or ():
                lines = [*lines[-20:], line.rstrip()]
                if time.monotonic() - told > _QUIET_SECONDS:
                    told = time.monotonic()
                    self._echo(clean(line.rstrip(), limit=300))
            status = process.wait()
        finally:
            with self._lock:
                self._running.discard(process)
        if status == Exit.INPUT:
            raise InputError(clean("\n".join(lines), limit=4000))
        known = {each.value for each in Exit}
        return (Exit(status) if status in known else Exit.DEFECT), "\n".join(lines)

    def _end(self) -> None:
        """End every process, as Ctrl-C would, and kill what does not go."""
        with self._lock:
            self._stop.set()
            running = list(self._running)
        for process in running:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _GRACE_SECONDS
        for process in running:
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()

    def _environments(self) -> frozenset[str]:
        folder = self._settings.environments
        return frozenset(path.name for path in folder.iterdir()) if folder.is_dir() else frozenset()

    def _make_room(self) -> None:
        """Below the low-water mark, remove environments that this sweep made and no longer needs, oldest first."""
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

    def _told(self, column: Column | None, status: Exit, output: str, seconds: float) -> str:
        if column is None:
            return f"{status.name.lower()}: {one_line(output.rpartition(chr(10))[2])}"
        if column.failure:
            return f"env-fail: {column.failure.reason.value}: {one_line(column.failure.message, 120)}"
        with Store(self._settings.store) as store:
            cells = cells_of(self._plan, column, store)
        counts = Counter(each.outcome for each in cells.values())
        told = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome])
        return f"{told or 'nothing measured'} in {duration(seconds)}"


def _trouble(status: Exit, column: Column | None, output: str) -> str:
    """What kept a column from being measured and may pass; empty where it was measured, or cannot be."""
    if column is not None and column.failure and column.failure.reason in _PASSING:
        return f"{column.failure.reason.value}: {one_line(column.failure.message, 120)}"
    if status in (Exit.STORAGE, Exit.DEFECT) or column is None:
        return one_line(output.rpartition("\n")[2]) or f"ended with {status.name.lower()}"
    return ""
