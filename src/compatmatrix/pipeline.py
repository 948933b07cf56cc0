"""The first stages of the commands: load, and run a column. What is made of results: :mod:`.reporting`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from compatmatrix import assemble, loading, plan, remembered, roots, runner
from compatmatrix.errors import Exit
from compatmatrix.ledger import Ledger
from compatmatrix.matrix import Companion
from compatmatrix.settings import Settings
from compatmatrix.stamps import forget_byte_code, stamps
from compatmatrix.store import Store

PUBLISHED = Path("reports")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a command was asked to do, loaded and checked."""

    plan: plan.Plan
    ledger: Ledger
    settings: Settings
    selected: bool
    output: Path
    baseline: Path


def load(
    *,
    matrix_file: Path,
    scenario_roots: Sequence[Path] = (),
    versions: str = "",
    cells: Sequence[str] = (),
    globs: Sequence[str] = (),
    state: Path = Path(".compatmatrix"),
    fresh: bool = False,
    isolation: str = "fork",
    jobs: int = 0,
    output: Path | None = None,
    baseline: Path | None = None,
    ledger_file: Path | None = None,
    judged: bool = True,
) -> Job:
    """Read everything that the user wrote; raises an :class:`InputError` before anything runs.

    ``judged`` says that there will be news, for which known issues are read. ``jobs`` cells run at once, over all
    columns. ``scenario_roots`` is what ``--scenarios`` names: files and directories beside the shipped scenarios.
    """
    matrix = loading.load_matrix(matrix_file)
    where = roots.gather(scenario_roots, state)
    ledger = _ledger(where, ledger_file) if judged else Ledger()
    settings = Settings(
        root=matrix_file.resolve().parent,
        state=state.resolve(),
        scenario_roots=where,
        isolation=isolation,
        fresh=fresh,
        jobs=jobs,
        environ=dict(os.environ),
    )
    # Before they are read: what is written from here on is found out.
    settings = replace(settings, sources=stamps(settings.source_roots))
    forget_byte_code(settings.source_roots)
    scenarios, probe_hash = loading.discover(where, shared=settings.state / "listing.json")
    remembered.remember(state, (cell for scenario in scenarios for cell in scenario.cells))
    wanted = [version for version in versions.split(",") if version]
    patterns = [*cells, *globs]
    # Where only the first root can warm a process up, keys are what they were before there were further ones.
    warming = roots.warming(where)
    basis = json.dumps([probe_hash, loading.judge_hash(), isolation, *([warming] if warming else [])])
    machine = assemble.machine(loading.capabilities())
    chosen = plan.make(matrix, scenarios, basis, versions=wanted, cells=patterns, machine=machine)
    selected = bool(wanted or patterns)
    return Job(
        plan=chosen,
        ledger=ledger,
        settings=settings,
        selected=selected,
        output=output or (state / "selection" if selected else settings.root / PUBLISHED),
        baseline=baseline or settings.root / PUBLISHED / "latest.json",
    )


def _ledger(where: Sequence[Path], file: Path | None) -> Ledger:
    return loading.load_yaml(file, Ledger) if file else loading.load_ledgers(where)


def run_column(job: Job, id: str, progress: Callable[[str], None]) -> Exit:
    """Run one column of the job; a version outside the selection is left alone."""
    plan.version(job.plan.matrix, id)
    version = next((version for version in job.plan.versions if version.id == id), None)
    if version is None:
        progress(f"{id}  not selected")
        return Exit.OK
    with Store(job.settings.store) as store:
        column = runner.run_column(job.plan, version, job.settings, store, progress)
    return Exit.OK if column.ready else Exit.INFRASTRUCTURE


def environment(job: Job, id: str, extra: Sequence[str], progress: Callable[[str], None]) -> Path:
    """The Python of a version's environment with further packages beside it; built where it is not there."""
    wanted = [Companion(package=name, requirement="", why="asked for on the command line") for name in extra]
    matrix = job.plan.matrix.model_copy(update={"companions": (*job.plan.matrix.companions, *wanted)})
    progress(f"{id}  building its environment")
    return runner.build(matrix, plan.version(matrix, id), job.settings).python


def published_claims(job: Job) -> int:
    """Read the published claims beside the scenarios, if there are any, and count them."""
    file = job.settings.scenario_roots[0] / "claims.yaml"
    return sum(len(case.claims) for case in loading.load_claims(file).cases) if file.exists() else 0
