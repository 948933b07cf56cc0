"""What is to be run: versions and cells, selected; and the key under which a result is kept. Pure."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from compatmatrix.errors import SelectionError
from compatmatrix.ledger import matches
from compatmatrix.matrix import Matrix, Policy, Version
from compatmatrix.results import Column, Machine, Scenario, Variant

#: A glob that can only mean the cell of that very id: no family, no scenario, and nothing that stands for others.
_ID = re.compile(r"[^*?\[]+\[[^*?]*\]")


@dataclass(frozen=True, kw_only=True)
class PlannedCell:
    """One cell before it is run."""

    id: str
    scenario: Scenario
    variant: Variant


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The chosen versions and the cells that each of them answers for, in a stable order."""

    matrix: Matrix
    versions: tuple[Version, ...]
    scenarios: tuple[Scenario, ...]
    cells: tuple[PlannedCell, ...]
    basis: str
    machine: Machine | None = None

    def key(self, column: Column, cell: PlannedCell) -> str:
        """The content that a result depends on: lock, scenario source, probe and judge, cell, limits, platform.

        For a cell that needs something of the machine, what the machine has belongs to it too. The machine is the
        one that the column was run on: what was measured elsewhere and merged is found under the same key.
        """
        machine = column.machine
        parts = [
            column.lock_hash,
            cell.scenario.source_hash,
            self.basis,
            cell.id,
            _limits(self.matrix.policy, cell.scenario),
            machine.system if machine else "",
            machine.architecture if machine else "",
            machine.provides if machine and cell.variant.needs else "",
        ]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _limits(policy: Policy, scenario: Scenario) -> list[float]:
    timeout = scenario.timeout or policy.timeout_seconds
    limits = [timeout, policy.no_progress_seconds, policy.memory, policy.log, policy.retries, policy.threads]
    # 120 and 120.0 are the same limit, whether it was written down or is the default.
    return [int(limit) if float(limit).is_integer() else limit for limit in limits]


def make(
    matrix: Matrix,
    scenarios: Sequence[Scenario],
    basis: str,
    *,
    versions: Sequence[str] = (),
    cells: Sequence[str] = (),
    machine: Machine | None = None,
) -> Plan:
    """Select versions by id and cells by glob (all where nothing is given).

    ``basis`` stands for what every result rests on: the probe, the judge, the isolation. ``machine`` is
    the one that the cells would be run on.

    Raises :class:`SelectionError` for a name or glob that means nothing, with a suggestion.
    """
    chosen = _versions(matrix, versions)
    every = tuple(_cells(scenarios))
    planned = [cell for cell in every if _included(cell.id, matrix)]
    for glob in matrix.scenarios.include + tuple(exclusion.cells for exclusion in matrix.scenarios.exclude):
        _must_match(glob, every, "matrix.yaml's selection")
    if cells:
        # A sweep names every cell that is missing: an id is looked up, and only a glob is held against all cells.
        ids = {cell.id for cell in planned}.intersection(glob for glob in cells if _ID.fullmatch(glob))
        globs = [glob for glob in cells if glob not in ids]
        for glob in globs:
            _must_match(glob, every, "the selection")
            _must_be_included(glob, planned)
        planned = [cell for cell in planned if cell.id in ids or any(matches(cell.id, glob) for glob in globs)]
    used = {cell.scenario.id for cell in planned}
    kept = tuple(scenario for scenario in scenarios if scenario.id in used)
    return Plan(
        matrix=matrix,
        versions=chosen,
        scenarios=kept,
        cells=tuple(planned),
        basis=basis,
        machine=machine,
    )


def definition(matrix: Matrix, version: Version) -> str:
    """What matrix.yaml says of a column's environment, as a hash: it changes when the column must be resolved anew."""
    parts = [
        version.model_dump(mode="json", exclude_defaults=True),
        matrix.python,
        [companion.model_dump(mode="json", exclude={"why"}, exclude_defaults=True) for companion in matrix.companions],
        matrix.policy.gpu,
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def version(matrix: Matrix, id: str) -> Version:
    """The version of that id; raises :class:`SelectionError` with a suggestion where there is none."""
    known = {each.id: each for each in matrix.versions}
    if id not in known:
        raise SelectionError(
            f"there is no version {id!r} in the matrix" + did_you_mean(id, list(known)),
            hint=f"versions: {', '.join(known)}",
        )
    return known[id]


def _versions(matrix: Matrix, wanted: Sequence[str]) -> tuple[Version, ...]:
    chosen = {version(matrix, id).id for id in wanted}
    return tuple(each for each in matrix.versions if not chosen or each.id in chosen)


def _cells(scenarios: Iterable[Scenario]) -> Iterator[PlannedCell]:
    for scenario in scenarios:
        for variant in scenario.variants:
            yield PlannedCell(id=scenario.id + variant.label, scenario=scenario, variant=variant)


def _included(cell: str, matrix: Matrix) -> bool:
    selection = matrix.scenarios
    if any(matches(cell, exclusion.cells) for exclusion in selection.exclude):
        return False
    return any(matches(cell, glob) for glob in selection.include)


def _must_match(glob: str, cells: Sequence[PlannedCell], what: str) -> None:
    if not any(matches(cell.id, glob) for cell in cells):
        names = sorted({name for cell in cells for name in (cell.id, cell.scenario.id, cell.scenario.family)})
        raise SelectionError(
            f"{what}: no scenario or cell matches {glob!r}" + did_you_mean(glob, names),
            hint="`compatmatrix list` shows every cell id; * and ? may stand for parts of it; scenarios of your own "
            "are named by --scenarios",
        )


def _must_be_included(glob: str, planned: Sequence[PlannedCell]) -> None:
    if not any(matches(cell.id, glob) for cell in planned):
        raise SelectionError(
            f"the selection: matrix.yaml leaves out what {glob!r} matches",
            hint="add it to scenarios.include, or take it out of scenarios.exclude",
        )


def did_you_mean(name: str, known: Sequence[str]) -> str:
    """The end of a message about a name that is not known; empty where nothing known is like it."""
    close = difflib.get_close_matches(name, known, n=1)
    return f". Did you mean {close[0]!r}?" if close else ""
