"""From a plan, columns and stored results to a run in which every planned cell has exactly one row. Pure."""

from __future__ import annotations

import datetime
import hashlib
import os
import platform
from collections.abc import Mapping

import psutil

from compatmatrix import __version__
from compatmatrix.plan import Plan, PlannedCell, definition
from compatmatrix.results import CellResult, Column, Machine, Outcome, Run


def current(plan: Plan, columns: Mapping[str, Column]) -> dict[str, Column]:
    """The columns that matrix.yaml still means: one whose sources, companions or Python have changed is not shown."""
    meant = {version.id: version for version in plan.versions}
    found = {id: column for id, column in columns.items() if id in meant}
    return {id: column for id, column in found.items() if definition(plan.matrix, meant[id]) == column.definition}


def keys(plan: Plan, columns: Mapping[str, Column]) -> dict[tuple[str, str], str]:
    """(version, cell) -> the key of its result, for every column that has an environment."""
    return {
        (version.id, cell.id): plan.key(columns[version.id], cell)
        for version in plan.versions
        if version.id in columns and columns[version.id].ready
        for cell in plan.cells
    }


def assemble(
    plan: Plan, columns: Mapping[str, Column], stored: Mapping[str, CellResult], *, now: datetime.datetime
) -> Run:
    """The run: rows = planned versions x planned cells, none missing, none twice."""
    shown = tuple(columns.get(version.id, Column(version=version.id)) for version in plan.versions)
    by_key = keys(plan, columns)
    results = []
    for column in shown:
        for cell in plan.cells:
            row = stored.get(by_key.get((column.version, cell.id), ""))
            if row and row.cell != cell.id:  # a store that was tampered with
                row = None
            # A result is keyed by content: two versions that resolve to the same lock share it.
            results.append(row.model_copy(update={"version": column.version}) if row else _unmeasured(column, cell))
    measured = [row.measured_at for row in results if row.measured_at]
    digest = hashlib.sha256("".join(f"{row.version}{row.cell}{row.key}" for row in results).encode()).hexdigest()
    return Run(
        id=f"{now:%Y%m%dT%H%M%SZ}-{digest[:8]}",
        started=min(measured, default=now),
        finished=now,
        compatmatrix=__version__,
        machine=plan.machine or machine(),
        columns=shown,
        scenarios=plan.scenarios,
        results=tuple(results),
    )


def _unmeasured(column: Column, cell: PlannedCell) -> CellResult:
    if column.failure:
        reason = f"{column.failure.reason.value}: {column.failure.message.splitlines()[0]}"
        return CellResult(cell=cell.id, version=column.version, outcome=Outcome.ENV_FAIL, reason=reason)
    return CellResult(cell=cell.id, version=column.version, outcome=Outcome.NOT_RUN, reason="planned, but not run yet")


def machine(provides: str = "") -> Machine:
    """This machine, as far as it bears on results, with what :func:`loading.capabilities` says; no host name."""
    return Machine(
        system=platform.system(),
        architecture=platform.machine(),
        python=platform.python_version(),
        cpus=os.cpu_count() or 1,
        memory=psutil.virtual_memory().total,
        provides=provides,
    )
