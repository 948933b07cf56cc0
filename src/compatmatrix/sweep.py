"""Many columns at once: one for every release, each a process of its own, taken up where the last sweep stopped.

The unit of work is ``compatmatrix column``: self-contained, and idempotent because results are keyed by content.
Where it is run is an :class:`Executor`'s business. What the machine or the network did is tried again and never
becomes a version's outcome.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from compatmatrix import assemble
from compatmatrix.errors import Exit, InfrastructureError, InputError
from compatmatrix.plan import Plan
from compatmatrix.report.display import duration
from compatmatrix.results import Column, EnvReason, Outcome
from compatmatrix.settings import Settings
from compatmatrix.store import Store
from compatmatrix.sweep_sheet import cells_of
from compatmatrix.text import clean, one_line

Echo = Callable[[str], None]

PAUSES = (5.0, 30.0, 120.0)
"""Seconds before each further attempt after an infrastructure failure."""
#: Infrastructure that may be well again in a minute; every other reason answers the same each time.
_PASSING = frozenset({EnvReason.UNREACHABLE, EnvReason.DISK_FULL})


class Lost(InfrastructureError):  # noqa: N818 - what became of a column
    """A column that could not be brought to its end, and that a further attempt would not bring there either."""


class Ended(NamedTuple):
    """How the process of a column ended, the last lines that it printed, its time in seconds, and where it ran."""

    status: Exit
    output: str = ""
    seconds: float = 0.0
    where: str = ""


class Executor(Protocol):
    """Where columns are run: processes of this machine, or a cluster. Its methods are called from many threads."""

    @property
    def elsewhere(self) -> bool:
        """Whether columns are run on other machines: what those have measured is then known."""

    def at_once(self, columns: int) -> int:
        """How many of so many columns are handed over at once."""

    def column(self, id: str, cells: tuple[str, ...]) -> Ended:
        """Run a column to its end; what it measured is in the store then. Raises :class:`Lost`."""

    def finished(self, environment: str) -> None:
        """This environment is not needed any more."""

    def end(self) -> None:
        """End everything that runs, and begin nothing more; it has ended when this returns, or is about to."""


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

    def __init__(
        self, plan: Plan, settings: Settings, executor: Executor, echo: Echo, pauses: tuple[float, ...] = PAUSES
    ) -> None:
        self._plan, self._settings, self._executor, self._echo = plan, settings, executor, echo
        self._pauses = pauses
        self._stop = threading.Event()

    def run(self, cells: Mapping[str, Iterable[str]]) -> dict[str, Exit]:
        """Run these columns, each with its cells (none named: all of the plan), as many at once as there is room for.

        An interrupt ends every process before it passes on. Raises :class:`InputError` where a process refuses what
        it was given: the others would refuse it too.
        """
        progress = _Progress(len(cells), self._echo)
        ended: dict[str, Exit] = {}
        with ThreadPoolExecutor(max_workers=max(1, self._executor.at_once(len(cells)))) as pool:
            try:
                futures = {pool.submit(self._column, id, tuple(some)): id for id, some in cells.items()}
                for future in as_completed(futures):
                    id = futures[future]
                    ended[id], told = future.result()
                    progress.finished(id, told)
            except BaseException:
                self._stop.set()
                self._executor.end()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        return ended

    def _column(self, id: str, cells: tuple[str, ...]) -> tuple[Exit, str]:
        for pause in (*self._pauses, None):
            try:
                ended = self._executor.column(id, cells)
            except Lost as lost:
                return lost.exit, one_line(lost.message)
            if ended.status == Exit.INPUT:
                raise InputError(clean(ended.output, limit=4000))
            column = self._stored(id)
            trouble = _trouble(ended, column)
            if not trouble or pause is None or self._stop.is_set():
                break
            self._echo(f"{id}  {trouble}; trying again in {pause:g} s")
            self._stop.wait(pause)
        if column is not None and column.environment:
            self._executor.finished(column.environment)
        return ended.status, self._told(column, ended)

    def _stored(self, id: str) -> Column | None:
        with Store(self._settings.store) as store:
            return assemble.current(self._plan, store.columns([id])).get(id)

    def _told(self, column: Column | None, ended: Ended) -> str:
        if column is None:
            return f"{ended.status.name.lower()}: {_last(ended)}"
        if column.failure:
            return f"env-fail: {column.failure.reason.value}: {one_line(column.failure.message, 120)}"
        with Store(self._settings.store) as store:
            cells = cells_of(self._plan, column, store)
        counts = Counter(each.outcome for each in cells.values())
        told = ", ".join(f"{counts[outcome]} {outcome.value}" for outcome in Outcome if counts[outcome])
        where = f" on {one_line(ended.where, 60)}" if ended.where else ""
        return f"{told or 'nothing measured'} in {duration(ended.seconds)}{where}"


def _trouble(ended: Ended, column: Column | None) -> str:
    """What kept a column from being measured and may pass; empty where it was measured, or cannot be."""
    if column is not None and column.failure and column.failure.reason in _PASSING:
        return f"{column.failure.reason.value}: {one_line(column.failure.message, 120)}"
    if ended.status in (Exit.STORAGE, Exit.DEFECT) or column is None:
        return _last(ended) or f"ended with {ended.status.name.lower()}"
    return ""


def _last(ended: Ended) -> str:
    return one_line(ended.output.rpartition("\n")[2])
