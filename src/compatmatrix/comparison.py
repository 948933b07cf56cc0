"""Finds the runs that are to be compared: by file or by id, whole where that is there, else as snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from compatmatrix import archive, reading
from compatmatrix.errors import SelectionError, StorageError
from compatmatrix.history import Snapshot, snapshot
from compatmatrix.ledger import matches
from compatmatrix.plan import did_you_mean
from compatmatrix.report import diff, sides
from compatmatrix.report.diff import Diff
from compatmatrix.results import Run

LATEST = "latest.json"


def versions(run: str | None, before: str, after: str, globs: Sequence[str], report: Path) -> Diff:
    """Two versions of one run. Raises :class:`SelectionError` for a version or a glob that means nothing in it."""
    side = _side(_find(run or str(report / LATEST), report))
    for version in (before, after):
        if version not in side.columns:
            raise SelectionError(
                f"run {side.run} has no version {version!r}" + did_you_mean(version, list(side.columns)),
                hint=f"versions: {', '.join(side.columns)}",
            )
    _check(globs, side)
    return diff.versions(side, before, after, globs)


def runs(before: str, after: str | None, globs: Sequence[str], report: Path) -> Diff:
    """Two runs; where one of them is a snapshot, both are compared as snapshots. Raises :class:`SelectionError`."""
    found = _find(before, report), _find(after or str(report / LATEST), report)
    if any(isinstance(each, Snapshot) for each in found):
        found = _short(found[0]), _short(found[1])
    first, second = _side(found[0]), _side(found[1])
    _check(globs, first, second)
    return diff.runs(first, second, globs)


def _side(found: Run | Snapshot) -> sides.Side:
    return sides.whole(found) if isinstance(found, Run) else sides.short(found)


def _short(found: Run | Snapshot) -> Snapshot:
    return snapshot(found) if isinstance(found, Run) else found


def _find(name: str, report: Path) -> Run | Snapshot:
    """A run by its file or its id."""
    path = Path(name)
    if path.is_file():
        return _read(path)
    latest = report / LATEST
    if latest.is_file():
        run = _read(latest)
        if run.id == name:
            return run
    history, trouble = archive.read(report)
    known = {each.id: each for each in history.snapshots}
    if name in known:
        return known[name]
    raise SelectionError(
        f"{name}: neither a file nor a run of the history in {report / archive.FOLDER}"
        + did_you_mean(name, list(known))
        + (f"\n{trouble}" if trouble else ""),
        hint=f"the last runs: {', '.join(list(known)[-5:])}" if known else "name a latest.json",
    )


def _read(path: Path, *, last: bool = False) -> Run | Snapshot:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise StorageError(f"{path}: {error}") from error
    problem = ""
    try:
        return reading.run(text)
    except ValueError as error:
        problem = reading.why(error)
    try:
        found = Snapshot.from_json(text)
    except ValueError:
        raise StorageError(
            f"{path}: neither a run nor a snapshot of one that this version of compatmatrix can read: {problem}",
            hint="name a latest.json, or a file of runs/",
        ) from None
    if found.same_as and last:
        raise StorageError(
            f"{path}: it says the same as run {found.same_as}, and holds no cells for another one",
            hint="take the file back from version control, or remove it",
        )
    if found.same_as:
        other = path.with_name(f"{found.same_as}.json")
        if not other.is_file():
            raise StorageError(f"{path}: it says the same as run {found.same_as}, and {other} is not there")
        # One step only: what stands there holds its own cells, or the two could lead to one another for ever.
        held = _short(_read(other, last=True))
        found = found.full(held)
    return found


def _check(globs: Sequence[str], *given: sides.Side) -> None:
    cells = {cell for side in given for _, cell in side.cells}
    for glob in globs:
        if not any(matches(cell, glob) for cell in cells):
            names = sorted({name for cell in cells for name in (cell, cell.partition("[")[0], cell.partition("/")[0])})
            raise SelectionError(
                f"no cell matches {glob!r}" + did_you_mean(glob, names), hint="* and ? stand for parts"
            )
