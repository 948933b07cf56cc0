"""One column, from sources to stored results. Every planned cell is accounted for, whatever happens."""

from __future__ import annotations

import datetime

from compatmatrix import environment, resolve
from compatmatrix.attempts import Progress
from compatmatrix.errors import EnvironmentFailure
from compatmatrix.execute import asked, forget
from compatmatrix.locks import alone
from compatmatrix.matrix import Matrix, Version
from compatmatrix.measuring import Measuring, by_devices
from compatmatrix.plan import Plan, PlannedCell, definition
from compatmatrix.processors import Processors
from compatmatrix.results import CellResult, Column, EnvFailure, EnvReason, Outcome
from compatmatrix.settings import Settings
from compatmatrix.store import Store
from compatmatrix.text import clean, one_line
from compatmatrix.wholeness import Contents, Ground, Installed, contents
from compatmatrix.workers import Workers


def run_column(plan: Plan, version: Version, settings: Settings, store: Store, progress: Progress) -> Column:
    """Resolve, build and run one version; the column, and each cell's result, are stored as they come.

    An environment that cannot be made is a column with a failure, not an exception. Interrupts pass
    through after every process of the column has been stopped; what was measured stays.
    """
    with Processors(settings.processors, settings.jobs, memory=int(plan.matrix.policy.memory)) as processors:
        return _run_column(plan, version, settings, store, progress, processors)


def _run_column(
    plan: Plan, version: Version, settings: Settings, store: Store, progress: Progress, processors: Processors
) -> Column:
    try:
        progress(f"{version.id}  resolving {version.sources[0]}")
        resolution = _resolve(plan.matrix, version, settings)
        if (known := _known(plan, version, resolution, settings, store)) is not None:
            store.put_column(known)
            return _unchanged(plan, known, progress)
        built = _build(resolution, settings, progress)
    except EnvironmentFailure as failure:
        nothing = Column(version=version.id, definition=definition(plan.matrix, version), machine=plan.machine)
        return _unavailable(nothing, failure, store, progress)
    column = built.column.model_copy(update={"definition": definition(plan.matrix, version), "machine": plan.machine})
    store.put_column(column)
    try:
        # One at a time: two columns with the same lock, or two runs in one checkout, would empty each other's
        # directory; the second finds the results of the first.
        in_use = settings.in_use(column.environment)
        with alone(in_use, lambda: progress(f"{version.id}  waiting for another run of the same environment")):
            ground = _ground(built, settings)  # of the environment as it was built: it may be long until it is used
            processors.wait(lambda: progress(f"{version.id}  waiting for a processor: all run cells of other columns"))
            todo = _missing(plan, column, settings, store)
            if not todo:
                return _unchanged(plan, column, progress)
            environment.adopt_byte_code(built)
            for slot in settings.slots(column.environment):
                forget(slot)  # of a run that was killed: nothing has been stripped from it
            measuring = Measuring(
                plan=plan,
                column=column,
                python=built.python,
                ground=ground,
                settings=settings,
                progress=progress,
                done=len(plan.cells) - len(todo),
            )
            try:
                Workers(by_devices(todo), measuring.start, processors, measuring.tell).run()
            except EnvironmentFailure as failure:
                raise ground.lost() or failure from failure
    except EnvironmentFailure as failure:
        return _unavailable(column, failure, store, progress)
    return column


def _ground(built: environment.Environment, settings: Settings) -> Ground:
    settings.work.mkdir(parents=True, exist_ok=True)
    try:
        there: Contents = contents(built.path)
    except (OSError, ValueError):
        there = {}  # a package that does not say what it consists of
    return Ground(installed=Installed(there), work=settings.work, roots=settings.source_roots, sources=settings.sources)


def build(
    matrix: Matrix, version: Version, settings: Settings, progress: Progress = lambda _: None
) -> environment.Environment:
    """A version's environment, resolved anew and reused where it is the same; raises EnvironmentFailure."""
    built = _build(_resolve(matrix, version, settings), settings, progress)
    environment.adopt_byte_code(built)
    return built


def _resolve(matrix: Matrix, version: Version, settings: Settings) -> resolve.Resolution:
    return resolve.resolve(version, matrix, root=settings.root, environ=settings.environ, state=settings.state)


def _build(resolution: resolve.Resolution, settings: Settings, progress: Progress) -> environment.Environment:
    progress(f"{resolution.column.version}  environment for {resolution.column.shows}")
    return environment.build(resolution, settings.environments, environ=settings.environ)


def _known(
    plan: Plan, version: Version, resolution: resolve.Resolution, settings: Settings, store: Store
) -> Column | None:
    """The column of a resolution whose every cell is known: its environment is needed by nobody, nor looked at."""
    new = resolution.column
    old = store.columns([new.version]).get(new.version)
    name = environment.name_of(resolution, settings.environ)
    if old is None or not old.ready or (old.lock_hash, old.environment) != (new.lock_hash, name):
        return None
    # The packages are the old ones: what is built from a source says its version only when it is installed.
    told = {"packages": old.packages, "transformers": old.transformers, "environment": old.environment}
    meant = {"definition": definition(plan.matrix, version), "machine": plan.machine}
    column = new.model_copy(update=told | meant)
    return None if _missing(plan, column, settings, store) else column


def _unchanged(plan: Plan, column: Column, progress: Progress) -> Column:
    progress(f"{column.version}  {len(plan.cells)}/{len(plan.cells)}  all taken from the store, unchanged")
    return column


def _missing(plan: Plan, column: Column, settings: Settings, store: Store) -> list[PlannedCell]:
    """The cells that must be run."""
    if settings.fresh:
        return list(plan.cells)
    keys = {cell.id: plan.key(column, cell) for cell in plan.cells}
    rows = {row.cell: row for row in store.get(keys.values()).values()}
    return [cell for cell in plan.cells if cell.id not in rows or _lacked_a_variable(rows[cell.id], cell, settings)]


def _lacked_a_variable(row: CellResult, cell: PlannedCell, settings: Settings) -> bool:
    """Whether it was skipped and may have what it asked for by now: that is no part of a result's key."""
    return row.outcome is Outcome.SKIPPED and bool(asked(cell.variant.needs, settings.environ))


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
