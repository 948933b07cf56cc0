"""One side of a comparison: a whole run, or a snapshot of one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compatmatrix import history
from compatmatrix.report.behaviour import Behaviour, behaviour
from compatmatrix.results import CellResult, Outcome, Run


@dataclass(frozen=True, eq=False)
class Did:
    """What a cell did on one side. ``felt`` and ``whole`` are equal where the behaviours are: what a user can feel,
    and everything. ``row`` and ``behaviour`` are there where the side is a whole run.
    """

    outcome: Outcome
    cause: str
    felt: object
    whole: object
    known: str = ""
    row: CellResult | None = None
    behaviour: Behaviour | None = None


@dataclass(frozen=True)
class Side:
    """One side: what it is called, notes on it that a reader must know, and (version, cell) -> what was done."""

    name: str
    run: str
    notes: tuple[str, ...]
    columns: Mapping[str, str]
    cells: Mapping[tuple[str, str], Did]


def did(row: CellResult, known: str = "", behaviours: dict[str, Behaviour] | None = None) -> Did:
    """What a result did; ``behaviours`` keeps what was read before, by digest."""
    digest = row.fingerprint_digest
    behaviours = {} if behaviours is None else behaviours
    told = behaviours.get(digest) or behaviours.setdefault(digest, behaviour(row, digest))
    return Did(row.outcome, history.cause(row), told.felt, digest, known, row, told)


def whole(run: Run) -> Side:
    """A run, with everything that it recorded."""
    behaviours: dict[str, Behaviour] = {}
    notes = tuple(
        f"{column.version} shows {column.substitute.shows}, a substitute: no evidence for {column.version} itself"
        for column in run.columns
        if column.substitute
    )
    columns = {shown.version: shown.told for shown in history.snapshot(run).columns}
    cells = {
        (row.version, row.cell): did(row, run.known.get(row.version, {}).get(row.cell, ""), behaviours)
        for row in run.results
    }
    return Side(f"run {run.id}", run.id, notes, columns, cells)


def short(snapshot: history.Snapshot) -> Side:
    """A snapshot: outcomes, causes, and whether the behaviour is the same, but not what it is."""
    cells = {
        (column.version, cell): Did(seen.outcome, seen.cause, seen.digest, seen.digest)
        for cell, row in snapshot.cells.items()
        for column, seen in zip(snapshot.columns, row, strict=True)
        if seen
    }
    notes = tuple(
        f"{column.version} shows {column.transformers}, a substitute: no evidence for {column.version} itself"
        for column in snapshot.columns
        if column.substitute
    )
    columns = {column.version: column.told for column in snapshot.columns}
    return Side(f"run {snapshot.id}", snapshot.id, notes, columns, cells)
