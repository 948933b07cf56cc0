"""Between a sweep and the store: a matrix of releases, what is still missing, and the sheet of what is known."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from compatmatrix import assemble
from compatmatrix.flips import NOT_RUN, Place, Seen, Sheet, seen
from compatmatrix.matrix import Matrix, PypiSource, Version
from compatmatrix.plan import Plan
from compatmatrix.releases import Release
from compatmatrix.results import CellResult, Column, Outcome
from compatmatrix.store import Store
from compatmatrix.text import one_line


def matrix_of(matrix: Matrix, releases: Sequence[Release]) -> Matrix:
    """The matrix with these releases for its versions; companions, selection and policy stay. Pure.

    A release that the matrix has already keeps its entry, so that both share their column and its results.
    """
    ids = {version.id: version for version in matrix.versions}
    versions = []
    for release in releases:
        source = PypiSource(pypi=release.version, yanked=release.yanked is not None)
        entry = ids.get(release.version)
        if entry is None or entry.sources != (source,):
            entry = Version(id=f"release-{release.version}" if entry else release.version, sources=(source,))
        versions.append(entry)
    return matrix.model_copy(update={"versions": tuple(versions)})


def matrix_text(matrix: Matrix) -> str:
    """The matrix as a file for the processes of a sweep; JSON is YAML. Pure."""
    return json.dumps(matrix.model_dump(mode="json", exclude_defaults=True), indent=1) + "\n"


def missing(plan: Plan, store: Store, *, elsewhere: bool = False) -> dict[str, int]:
    """Version -> how many of its cells have no result yet; a complete one is not in it.

    A complete column is not resolved again, as the matrix does: another numpy would measure every release anew.
    What another machine measured, and was merged, is not what this one would: it counts where columns are run
    ``elsewhere``.
    """
    columns = assemble.current(plan, store.columns())
    if not elsewhere:
        columns = {id: column.model_copy(update={"machine": plan.machine}) for id, column in columns.items()}
    keys = assemble.keys(plan, columns)
    known = store.known(keys.values())
    wanted = {version.id: 0 for version in plan.versions}
    for version in plan.versions:
        for cell in plan.cells:
            wanted[version.id] += keys.get((version.id, cell.id)) not in known
    return {id: number for id, number in wanted.items() if number}


def sheet(plan: Plan, releases: Sequence[Release], specifier: str, store: Store) -> Sheet:
    """What the store knows of every planned cell, read column by column: all results at once would fill gigabytes."""
    columns = assemble.current(plan, store.columns())
    rows: dict[str, list[Seen]] = {cell.id: [] for cell in plan.cells}
    places = []
    for version, release in zip(plan.versions, releases, strict=True):
        column = columns.get(version.id) or Column(version=version.id)
        places.append(Place(version=version.id, column=column, yanked=release.yanked, uploaded=release.uploaded))
        results = cells_of(plan, column, store)
        for cell in plan.cells:
            rows[cell.id].append(results.get(cell.id) or unmeasured(column))
    return Sheet(
        specifier=specifier,
        places=tuple(places),
        scenarios=plan.scenarios,
        cells={cell: tuple(row) for cell, row in rows.items()},
    )


def cells_of(plan: Plan, column: Column, store: Store) -> dict[str, Seen]:
    """Cell -> what is stored of it in a column; nothing where that has no environment."""
    if not column.ready or not column.lock_hash:
        return {}
    keys = {cell.id: plan.key(column, cell) for cell in plan.cells}
    stored: Mapping[str, CellResult] = store.get(keys.values())
    return {cell: seen(stored[key]) for cell, key in keys.items() if key in stored}


def unmeasured(column: Column) -> Seen:
    """What stands for a cell without a result: why its column has no environment, or that it was not run."""
    if column.failure is None:
        return NOT_RUN
    told = one_line(f"{column.failure.reason.value}: {column.failure.message}", 300)
    return Seen(Outcome.ENV_FAIL, told=told)


def summary(sheet: Sheet, measured: int) -> list[str]:
    """What a sweep came to, in lines: ``measured`` of its columns were run by it, the others were known."""
    ready = [place for place in sheet.places if place.column.ready and place.column.lock_hash]
    failed = [place for place in sheet.places if place.column.failure]
    counts = Counter(each.outcome for row in sheet.cells.values() for each in row)
    lines = [
        f"{len(sheet.places)} releases in {sheet.specifier}: {len(ready)} with an environment, "
        f"{len(failed)} without; {measured} run now, the others known",
        ", ".join(f"{counts[outcome]:,} {outcome.value}" for outcome in Outcome if counts[outcome]),
    ]
    failures = [(place.version, place.column.failure) for place in failed]
    return lines + [f"env-fail {version}: {one_line(failure.message, 160)}" for version, failure in failures if failure]


def complete(sheet: Sheet) -> bool:
    """Whether every cell of every release was measured."""
    lacking = (Outcome.ENV_FAIL, Outcome.NOT_RUN)
    return not any(each.outcome in lacking for row in sheet.cells.values() for each in row)
