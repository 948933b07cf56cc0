"""One column, from sources to stored results. Every planned cell is accounted for, whatever happens."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from compatmatrix import environment, resolve
from compatmatrix.classify import classify
from compatmatrix.errors import EnvironmentFailure, StorageError
from compatmatrix.execute import Limits, Probe, ProbeStartError, asked
from compatmatrix.loading import PROBE
from compatmatrix.matrix import Matrix, Policy, Version
from compatmatrix.plan import Plan, PlannedCell, definition
from compatmatrix.records import Ended
from compatmatrix.results import CellResult, Column, EnvFailure, EnvReason, Outcome
from compatmatrix.store import STORE, Store
from compatmatrix.text import clean, one_line

#: Outcomes that may be the machine's doing and are tried again; the version's own answers are not.
_RETRIED = frozenset({Outcome.CRASH, Outcome.TIMEOUT, Outcome.OOM})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where things are, and how cells are run."""

    root: Path
    state: Path
    scenario_roots: tuple[Path, ...]
    isolation: str = "fork"
    fresh: bool = False
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        return self.state / STORE

    @property
    def environments(self) -> Path:
        return self.state / "environments"

    def in_use(self, environment: str) -> Path:
        """The lock that is held while cells run in an environment."""
        return self.state / "work" / f"{environment}.lock"


class Running(Protocol):
    """The part of a probe that running a cell needs."""

    def run(self, cell: str, limits: Limits, needs: Sequence[str]) -> Ended: ...


#: What virtual devices say where the machine or the build of torch cannot have them.
_NO_VIRTUAL_DEVICES = ("NoCompilerError", "UnsuitableTorchError")
#: The machine's trouble, whatever the version did.
_NO_ROOM = ("No space left on device", "Disk quota exceeded")

Progress = Callable[[str], None]


def run_column(plan: Plan, version: Version, settings: Settings, store: Store, progress: Progress) -> Column:
    """Resolve, build and run one version; the column, and each cell's result, are stored as they come.

    An environment that cannot be made is a column with a failure, not an exception. Interrupts pass
    through after every process of the column has been stopped; what was measured stays.
    """
    try:
        progress(f"{version.id}  resolving {version.sources[0]}")
        built = build(plan.matrix, version, settings, progress)
    except EnvironmentFailure as failure:
        nothing = Column(version=version.id, definition=definition(plan.matrix, version), machine=plan.machine)
        return _unavailable(nothing, failure, store, progress)
    column = built.column.model_copy(update={"definition": definition(plan.matrix, version), "machine": plan.machine})
    store.put_column(column)
    try:
        # One at a time: two columns with the same lock, or two runs in one checkout, would empty each other's
        # directory; the second finds the results of the first.
        with _alone(settings.in_use(column.environment), version, progress):
            results, todo = _recall(plan, column, settings, store)
            if not todo:
                progress(f"{version.id}  {len(results)}/{len(plan.cells)}  all taken from the store, unchanged")
            else:
                _run_cells(plan, column, built.python, todo, settings, store, progress)
    except EnvironmentFailure as failure:
        return _unavailable(column, failure, store, progress)
    return column


@contextlib.contextmanager
def _alone(path: Path, version: Version, progress: Progress) -> Iterator[None]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            progress(f"{version.id}  waiting for another run of the same environment")
            lock.acquire()
    except OSError as error:
        raise StorageError(f"{path}: {error}", hint="make the state directory writable, or name another") from error
    try:
        yield
    finally:
        lock.release()


def build(
    matrix: Matrix, version: Version, settings: Settings, progress: Progress = lambda _: None
) -> environment.Environment:
    """A version's environment, resolved anew and reused where it is the same; raises EnvironmentFailure."""
    resolution = resolve.resolve(version, matrix, root=settings.root, environ=settings.environ, state=settings.state)
    progress(f"{version.id}  environment for {resolution.column.shows}")
    return environment.build(resolution, settings.environments, environ=settings.environ)


def _recall(plan: Plan, column: Column, settings: Settings, store: Store) -> tuple[list[str], list[PlannedCell]]:
    """The cells that are known, and those that must be run."""
    if settings.fresh:
        return [], list(plan.cells)
    keys = {cell.id: plan.key(column, cell) for cell in plan.cells}
    rows = {row.cell: row for row in store.get(keys.values()).values()}
    todo = [cell for cell in plan.cells if cell.id not in rows or _lacked_a_variable(rows[cell.id], cell, settings)]
    return sorted(rows.keys() - {cell.id for cell in todo}), todo


def _lacked_a_variable(row: CellResult, cell: PlannedCell, settings: Settings) -> bool:
    """Whether it was skipped and may have what it asked for by now: that is no part of a result's key."""
    return row.outcome is Outcome.SKIPPED and bool(asked(cell.variant.needs, settings.environ))


def _run_cells(
    plan: Plan,
    column: Column,
    python: Path,
    cells: Sequence[PlannedCell],
    settings: Settings,
    store: Store,
    progress: Progress,
) -> None:
    done = len(plan.cells) - len(cells)
    for devices, group in by_devices(cells):
        try:
            progress(f"{column.version}  importing transformers {column.transformers}")
            with Probe(
                python,
                PROBE,
                settings.scenario_roots,
                settings.state / "work" / f"{column.environment}-{devices}",
                isolation=settings.isolation,
                threads=plan.matrix.policy.threads,
                virtual_cuda=devices,
                environ=settings.environ,
            ) as probe:
                for cell in group:
                    done += 1
                    progress(f"{column.version}  {done}/{len(plan.cells)}  {cell.id}")
                    _keep(plan, column, cell, run_cell(probe, column.version, cell, plan.matrix.policy), store)
        except ProbeStartError as error:
            if error.module != "virtualcuda":
                raise
            # Nothing is wrong with the environment, nor with the version. What a machine lacks is an answer;
            # any other trouble leaves the cells not run, and is told.
            if not any(kind in str(error) for kind in _NO_VIRTUAL_DEVICES):
                progress(f"{column.version}  {len(group)} cells not run: no virtual devices: {one_line(str(error))}")
                return
            for cell in group:
                done += 1
                skipped = CellResult(
                    cell=cell.id, version=column.version, outcome=Outcome.SKIPPED, reason=one_line(str(error))
                )
                _keep(plan, column, cell, skipped, store)


def by_devices(cells: Sequence[PlannedCell]) -> list[tuple[int, list[PlannedCell]]]:
    """The cells that need no virtual devices, and those that do, with the largest number that any of them needs."""
    needs = {cell.id: max((_devices(need) for need in cell.variant.needs), default=0) for cell in cells}
    groups = [[cell for cell in cells if bool(needs[cell.id]) is virtual] for virtual in (False, True)]
    return [(max(needs[cell.id] for cell in group), group) for group in groups if group]


def _devices(need: str) -> int:
    kind, _, count = need.partition(":")
    return int(count or 1) if kind == "virtual-cuda" else 0


def _keep(plan: Plan, column: Column, cell: PlannedCell, result: CellResult, store: Store) -> None:
    # With microseconds: who repeats a cell tells the new row from the old one by it.
    measured_at = datetime.datetime.now(datetime.timezone.utc)
    key = plan.key(column, cell)
    store.put(result.model_copy(update={"key": key, "measured_at": measured_at}))


def run_cell(probe: Running, version: str, cell: PlannedCell, policy: Policy) -> CellResult:
    """Run one cell, again after a crash, a timeout or oom; different endings are kept as attempts (flaky)."""
    limits = Limits(
        timeout=cell.scenario.timeout or policy.timeout_seconds,
        no_progress=policy.no_progress_seconds,
        memory=int(policy.memory),
        log=int(policy.log),
    )
    attempts: list[CellResult] = []
    for _ in range(policy.retries + 1):
        attempts.append(classify(cell.id, version, probe.run(cell.id, limits, cell.variant.needs)))
        told = f"{attempts[-1].reason} {attempts[-1].log[-2000:]}"
        if attempts[-1].outcome.red and any(words in told for words in _NO_ROOM):
            raise StorageError(
                f"no room on the disk while {cell.id} ran in {version}; nothing was stored for it",
                hint="free some space and run again: what was measured before is kept",
            )
        if attempts[-1].outcome not in _RETRIED:
            break
    # The worst of the attempts is the verdict: a cell that crashes now and then is not green.
    worst = max(attempts, key=lambda attempt: attempt.outcome.severity)
    return worst.model_copy(update={"attempts": tuple(attempt.outcome for attempt in attempts)})


def _unavailable(column: Column, failure: EnvironmentFailure, store: Store, progress: Progress) -> Column:
    column = column.model_copy(
        update={
            "failure": EnvFailure(
                reason=EnvReason(failure.reason),
                message=clean(failure.message, limit=4000),
                hint=clean(failure.hint, limit=1000),
                log=clean(failure.log),
            ),
            "resolved_at": datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0),
        }
    )
    store.put_column(column)
    progress(f"{column.version}  env-fail: {failure.reason}: {one_line(failure.message.splitlines()[0])}")
    return column
