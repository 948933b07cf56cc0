"""Whether what a run rests on is still what it was when the run began: environments, and the files of scenarios.

An environment that somebody removes, or of which a disk loses a part, makes cells fail that would pass; a scenario
that is edited in mid-run is another one than the key of its result says.
"""

from __future__ import annotations

import csv
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compatmatrix.errors import EnvironmentFailure, ScenarioError, StorageError
from compatmatrix.results import CellResult, EnvReason, Outcome
from compatmatrix.stamps import SAFELY_LATER, Stamps, changed

Contents = Mapping[str, int]
"""Path of a file -> its size in bytes; -1 where it is not known."""

_ROOM = 1 << 20
"""Bytes: with less, a cell may have been unable to write what it must."""


class Installed:
    """Files that are there, looked for again and again, by any thread.

    A file comes and goes with a change of its directory's times: what is looked at are 1,500
    directories of an environment with torch, in 4 ms, instead of their 18,500 files, in 50.
    """

    def __init__(self, there: Contents) -> None:
        self._names = defaultdict(list)
        for path in there:
            directory, name = os.path.split(path)
            self._names[directory].append(name)
        self._whole: dict[str, tuple[int, int, int]] = {}

    def gone(self) -> str:
        """A file that is not there any more; empty where all are."""
        for directory, names in self._names.items():
            stamp = _directory(directory)
            if stamp is None or self._whole.get(directory) != stamp:
                missing, links = _missing(directory, names)
                if missing:
                    return missing
                # What changes within one tick of the file system's clock has one time.
                if not links and stamp is not None and max(stamp[:2]) + SAFELY_LATER < time.time_ns():
                    self._whole[directory] = stamp
        return ""


def _directory(path: str) -> tuple[int, int, int] | None:
    """The times of its last modification and of its inode's change, which nobody can set back, and its inode."""
    try:
        facts = os.stat(path)  # noqa: PTH116 - thousands of them
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino


def _missing(directory: str, names: Sequence[str]) -> tuple[str, bool]:
    """A file that is not there, if any; and whether some may be links, which break without a trace here."""
    try:
        with os.scandir(directory) as entries:
            there = {entry.name for entry in entries if not entry.is_symlink()}
    except OSError:
        there = set()
    others = [os.path.join(directory, name) for name in names if name not in there]  # noqa: PTH118
    return next((path for path in others if not os.path.exists(path)), ""), bool(others)  # noqa: PTH110


class EnvironmentLost(EnvironmentFailure):
    """A part of an environment went while cells ran in it: the column's trouble, whichever worker found it."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What the results of a column rest on, as it was when the column began.

    ``installed`` is what its environment consists of, ``work`` the directory that its cells write to, ``sources`` the
    files below ``roots`` that the keys of results were made from.
    """

    installed: Installed
    work: Path
    roots: Sequence[Path] = ()
    sources: Stamps | None = None

    def room(self, result: CellResult) -> None:
        """Raise :class:`StorageError` where a cell that did not pass may have been unable to write what it must."""
        if _may_be_to_blame(result) and shutil.disk_usage(self.work).free < _ROOM:
            raise no_room(result.cell, result.version)

    def believed(self, results: Sequence[CellResult]) -> tuple[list[CellResult], EnvironmentLost | None]:
        """Those of some results, one at least, that may be stored; the failure to raise then, where some may not be.

        What has ended before this looks had its ground whole, where that is whole now: a file that goes and comes back
        in the meantime is not noticed. Raises :class:`ScenarioError` where none may be stored.
        """
        if self.sources is not None and (path := changed(self.sources, self.roots)):
            more = f" and {len(results) - 1} more" if len(results) > 1 else ""
            raise ScenarioError(
                f"{path}: written while cells ran; nothing was stored for {results[0].cell}{more} "
                f"in {results[0].version}",
                hint="run again: what was measured before is kept",
            )
        if not any(map(_may_be_to_blame, results)) or (lost := self.lost()) is None:
            return list(results), None
        return [result for result in results if not _may_be_to_blame(result)], lost

    def lost(self) -> EnvironmentLost | None:
        """The failure of an environment of which something is gone."""
        path = self.installed.gone()
        if not path:
            return None
        message = f"a part of the environment went while cells ran in it: {Path(path).name}"
        return EnvironmentLost(EnvReason.INSTALL_FAILED.value, message, hint="run again: it is built anew")


def _may_be_to_blame(result: CellResult) -> bool:
    """Whether what a cell rests on may be: a pass needs all of it, and what is skipped none."""
    return result.outcome not in (Outcome.PASS, Outcome.SKIPPED)


def no_room(cell: str, version: str) -> StorageError:
    """The disk was full while a cell ran."""
    return StorageError(
        f"no room on the disk while {cell} ran in {version}; nothing was stored for it",
        hint="free some space and run again: what was measured before is kept",
    )


def contents(environment: Path) -> Contents:
    """What the packages of an environment say that they consist of: 18,000 files of torch in 0.1 s.

    Raises ``OSError`` or ``ValueError`` where a package does not say it
    (RECORD, https://packaging.python.org/en/latest/specifications/recording-installed-packages/).
    """
    found: dict[str, int] = {}
    for site in (*environment.glob("lib/python3*/site-packages"), *environment.glob("Lib/site-packages")):
        for metadata in site.glob("*.dist-info"):
            with (metadata / "RECORD").open(encoding="utf-8", newline="") as lines:
                for name, _, size in csv.reader(lines):
                    path, bytes_ = os.path.join(site, name), int(size or -1)  # noqa: PTH118 - thousands of them
                    # Two packages may bring the same file: the one that came last is there.
                    found[path] = bytes_ if found.get(path, bytes_) == bytes_ else -1
    return {path: size for path, size in found.items() if not path.endswith(".pyc")}  # Python writes those as it likes


def damaged(there: Contents) -> str:
    """A file that is gone or of another size than its package says; empty where there is none."""
    return next((path for path, size in there.items() if size not in (-1, size_ := _size(path)) or size_ < 0), "")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - thousands of them
    except OSError:
        return -1
