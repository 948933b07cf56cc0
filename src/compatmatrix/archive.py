"""The files of the history: ``runs/<run id>.json`` beside the report, one for each run, written once.

A run is appended and never rewritten. One that says the same as the last one in every cell is kept as a few
lines (``same_as``): it shows that the schedule is alive; more than one of these in :data:`BEAT` is not kept.
``runs/index.json`` lists the files, the newest first, for those who fetch them from a published site.
"""

from __future__ import annotations

import datetime
import json
import os
import tempfile
from pathlib import Path

from compatmatrix import reading
from compatmatrix.errors import StorageError
from compatmatrix.history import History, Snapshot
from compatmatrix.results import Run

FOLDER = "runs"
INDEX = "index.json"
_STAGING = ".run-"
BEAT = datetime.timedelta(days=1)
"""Rendering the same results again within this time is no run worth keeping."""


def read(report: Path) -> tuple[History, str]:
    """The history beside a report, and what is wrong with it in one message; empty where nothing is.

    A file that cannot be used is left out: a damaged history never costs a report.
    """
    found: dict[str, Snapshot] = {}
    troubles: list[str] = []
    for path in _files(report):
        try:
            snapshot = Snapshot.from_json(path.read_bytes())
        except (OSError, ValueError) as error:
            troubles.append(f"{path.name}: {reading.why(error)}")
            continue
        if snapshot.id == path.stem:
            found[snapshot.id] = snapshot
        else:
            troubles.append(f"{path.name}: it is about the run {snapshot.id}")
    complete = []
    for snapshot in found.values():
        other = found.get(snapshot.same_as) if snapshot.same_as else snapshot
        if other is None or (other is not snapshot and other.same_as):
            troubles.append(f"{snapshot.id}.json: it says the same as run {snapshot.same_as}, which is not there")
        else:
            complete.append(snapshot if other is snapshot else snapshot.full(other))
    return History(complete), _message(report / FOLDER, troubles)


def append(report: Path, snapshot: Snapshot, before: Snapshot | None = None) -> None:
    """Keep a run; the last one rendered again, and one that is kept already, are passed over.

    ``before`` is the run published before it: it is kept too where it has no file, so that a history begins with it.
    One process at a time. Raises :class:`StorageError` where another run has that id already: what was written stays.
    """
    history, _ = read(report)
    for left in (report / FOLDER).glob(f"{_STAGING}*"):
        left.unlink(missing_ok=True)  # of one that was killed while it wrote
    for each in (before, snapshot):
        if each is None or (each is before and (report / FOLDER / f"{each.id}.json").exists()):
            continue
        kept = _kept(each, history)
        if kept is not None:
            _write(report / FOLDER / f"{kept.id}.json", kept.to_json())
            history = history.and_also(each)
    _list(report / FOLDER)


def _kept(snapshot: Snapshot, history: History) -> Snapshot | None:
    """What is to be kept of a run: all of it, the few lines of one that says the same as the last one, or nothing."""
    if any(each.id == snapshot.id and each.says() == snapshot.says() for each in history.snapshots):
        return None
    if not history or history.snapshots[-1].says() != snapshot.says():
        return snapshot
    last = history.snapshots[-1]
    return snapshot.short(last) if snapshot.finished - last.finished >= BEAT else None


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=_STAGING, encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).chmod(0o644)
            # A link fails where the name is taken: no run is ever written over, not even by another process.
            os.link(file.name, path)
    except FileExistsError as error:
        raise StorageError(
            f"{path}: there is a file of this name already, and it does not say the same",
            hint="runs are never written over; move the file away if it is wrong, and report again",
        ) from error
    except OSError as error:
        raise StorageError(
            f"{path}: the run could not be kept: {error}",
            hint="the report itself is written; make room, and report again",
        ) from error


def _files(report: Path) -> list[Path]:
    return sorted(path for path in (report / FOLDER).glob("*.json") if path.name != INDEX)


def _list(folder: Path) -> None:
    """Write the index anew; it is derived from the files, and may be written over."""
    names = [path.name for path in reversed(_files(folder.parent))]
    new = folder / ".index.json"
    new.write_text(json.dumps({"schema": 1, "runs": names}, indent=1) + "\n", encoding="utf-8")
    new.replace(folder / INDEX)


def _message(folder: Path, troubles: list[str]) -> str:
    if not troubles:
        return ""
    more = f" (and {len(troubles) - 3} more)" if len(troubles) > 3 else ""
    return (
        f"{folder}: left out of the history: {'; '.join(troubles[:3])}{more}\n"
        "  next: take the file back from version control, or remove it"
    )


def read_run(
    path: Path, *, hint: str = "name another file by --baseline, or move it away to compare with nothing"
) -> Run | None:
    """A run that was published; None where there is no such file. Raises :class:`StorageError` for another file."""
    if not path.exists():
        return None
    try:
        return reading.run(path.read_bytes())
    except (OSError, ValueError) as error:
        raise StorageError(
            f"{path}: not a run that this version of compatmatrix can read: {reading.why(error)}",
            hint=hint,
        ) from error
