"""The small world that faults are injected into: packages, a matrix of two versions, and what is true of it."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from compatmatrix.results import CellResult
from tests.e2e.conftest import Project
from tests.e2e.packages import behaviours
from tests.wheels import write_wheel

HERE = Path(__file__).parent
COMMAND = ("compatmatrix", "run")
#: Both versions, and the cells of each in the order in which they run: the last one is at work for half a second.
VERSIONS = ("1.0.0", "1.0.1")
CELLS = 5
_LATE = {"1.0.0": "return 7", "1.0.1": "raise ValueError('weight is on the meta device')"}
Said = dict[str, object]


def said(row: CellResult) -> Said:
    """All that a row says, without what differs from one measurement to the next: times and memory."""
    return row.model_dump(mode="json", exclude={"seconds", "peak_memory", "measured_at", "steps"})


@dataclass(frozen=True)
class World:
    """Three states of the mini project, to be copied for each trial, and what an undisturbed run says.

    ``fresh`` has nothing yet, ``built`` has environments, ``done`` has results (and a report) as well. ``command`` is
    what is run: the whole matrix, or one column, which costs half as much and writes no report.
    """

    index: Path
    fresh: Path
    built: Path
    done: Path
    command: tuple[str, ...]
    versions: tuple[str, ...]
    status: int
    rows: dict[tuple[str, str], Said]

    @property
    def reports(self) -> bool:
        return self.command == COMMAND

    def copy(self, base: str, directory: Path) -> Project:
        """A project in one of the three states, in a directory of its own."""
        shutil.copytree(getattr(self, base), directory, symlinks=True)
        return _project(directory, self.index)


def make(directory: Path, *, column: str = "") -> World:
    """Build the packages, run the matrix (or one column of it) undisturbed, and keep its three states."""
    index = _packages(directory / "index")
    fresh, built, done = (directory / name for name in ("fresh", "built", "done"))
    fresh.mkdir(parents=True)
    shutil.copytree(HERE / "scenarios", fresh / "scenarios", ignore=shutil.ignore_patterns("__pycache__"))
    _project(fresh, index).write_matrix(
        [{"id": version, "sources": [{"pypi": version}]} for version in VERSIONS], retries=1, no_progress_seconds=3
    )
    shutil.copytree(fresh, built)
    for version in VERSIONS:
        _checked(_project(built, index).run("compatmatrix", "environment", version), 0)
    shutil.copytree(built, done, symlinks=True)
    command = ("compatmatrix", "column", column) if column else COMMAND
    status, _ = _checked(_project(done, index).run(*command), 0 if column else 3)
    rows = by_cell(stored(done).values())
    return World(index, fresh, built, done, command, (column,) if column else VERSIONS, status, rows)


def stored(project: Path) -> dict[str, CellResult]:
    """Key -> row of a project's store, as far as it can be read at all."""
    found = {}
    address = f"{(project / '.compatmatrix' / 'results.sqlite').as_uri()}?mode=ro"
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(address, uri=True)) as db:
        db.text_factory = bytes
        for key, text in db.execute("SELECT key, json FROM results"):
            with contextlib.suppress(ValidationError):
                found[key.decode()] = CellResult.model_validate_json(text)
    return found


def by_cell(results: Iterable[CellResult]) -> dict[tuple[str, str], Said]:
    """What rows say of every cell; each may be there once only."""
    rows = list(results)
    found = {(row.version, row.cell): said(row) for row in rows}
    if len(found) != len(rows):
        raise AssertionError("a cell is there twice")
    return found


def _checked(ended: tuple[int, str], status: int) -> tuple[int, str]:
    if ended[0] != status:
        raise AssertionError(f"the undisturbed run ended with {ended[0]}:\n{ended[1]}")
    return ended


def _project(directory: Path, index: Path) -> Project:
    return Project(directory, index, bare=True)


def _packages(index: Path) -> Path:
    index.mkdir(parents=True)
    for name, text in (("torch", behaviours.TORCH), ("accelerate", '__version__ = "1.0.0"\n')):
        write_wheel(index, name, "1.0.0", {f"{name}/__init__.py": text})
    for version in VERSIONS:
        files = {
            "transformers/__init__.py": behaviours.TEMPLATE.format(version=version, body=behaviours.LOAD[version]),
            "transformers/late.py": f'"""Imported late."""\ndef answer():\n    {_LATE[version]}\n',
        }
        write_wheel(index, "transformers", version, files)
    return index
