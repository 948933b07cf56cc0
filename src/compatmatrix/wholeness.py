"""Whether what a run rests on is still what it was when the run began: environments, and the files of scenarios.

An environment that somebody removes, or of which a disk loses a part, makes cells fail that would pass; a scenario
that is edited in mid-run is another one than the key of its result says.
"""

from __future__ import annotations

import contextlib
import csv
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compatmatrix.errors import EnvironmentFailure, ScenarioError, StorageError
from compatmatrix.results import CellResult, EnvReason, Outcome

Contents = Mapping[str, int]
"""Path of a file -> its size in bytes; -1 where it is not known."""
Stamps = Mapping[Path, tuple[int, int, int]]
"""File -> size, time of its last change, inode."""

_ROOM = 1 << 20
"""Bytes: with less, a cell may have been unable to write what it must."""
_SAFELY_LATER = 2_000_000_000
"""Nanoseconds: byte code that was written so long after the last change of its source is that source's."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What the results of a column rest on, as it was when the column began.

    ``installed`` is what its environment consists of, ``work`` the directory that its cells write to, ``sources`` the
    files below ``roots`` that the keys of results were made from.
    """

    installed: Contents
    work: Path
    roots: Sequence[Path] = ()
    sources: Stamps | None = None

    def doubt(self, result: CellResult) -> None:
        """Raise where a result may be the work of something else than the version: it is then not stored."""
        told = f"nothing was stored for {result.cell} in {result.version}"
        if self.sources is not None and (path := changed(self.sources, self.roots)):
            raise ScenarioError(
                f"{path}: written while cells ran; {told}", hint="run again: what was measured before is kept"
            )
        if result.outcome in (Outcome.PASS, Outcome.SKIPPED):
            return
        if shutil.disk_usage(self.work).free < _ROOM:
            raise no_room(result.cell, result.version)
        if lost := self.lost():
            raise lost

    def lost(self) -> EnvironmentFailure | None:
        """The failure of an environment of which something is gone."""
        path = gone(self.installed)
        if not path:
            return None
        message = f"a part of the environment went while cells ran in it: {Path(path).name}"
        return EnvironmentFailure(EnvReason.INSTALL_FAILED.value, message, hint="run again: it is built anew")


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


def gone(there: Contents) -> str:
    """A file that is not there any more; empty where all are."""
    return next((path for path in there if not os.path.exists(path)), "")  # noqa: PTH110 - thousands of them


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116 - thousands of them
    except OSError:
        return -1


def files(root: Path) -> Iterator[Path]:
    """The files below a directory, also where links to directories lead; byte code is none of them."""
    seen = set()
    for name, directories, names in os.walk(root, followlinks=True):
        if (real := os.path.realpath(name)) in seen:  # a link that leads back
            directories.clear()
            continue
        seen.add(real)
        directories[:] = sorted(each for each in directories if each != "__pycache__")
        yield from (Path(name, each) for each in sorted(names))


def stamps(roots: Iterable[Path]) -> Stamps:
    """The Python files below directories, as they are now."""
    found = {}
    for path in (path for root in roots for path in files(root) if path.suffix == ".py"):
        with contextlib.suppress(OSError):  # it has just gone
            facts = path.stat()
            found[path] = facts.st_size, facts.st_mtime_ns, facts.st_ino
    return found


def changed(before: Stamps, roots: Iterable[Path]) -> str:
    """A Python file below directories that is new, gone or written since; empty where there is none."""
    now = stamps(roots)
    return next((str(path) for path in {**before, **now} if before.get(path) != now.get(path)), "")


def forget_byte_code(roots: Iterable[Path]) -> None:
    """Remove byte code below directories that may be of another text than its source has now.

    Python takes it for the source's where size and modification time, in whole seconds, are the same (PEP 552): a
    file that is edited, run and put back within a second would run as it was edited, under the key of what it is.
    Also the time of the inode's change counts: copies and archives bring modification times with them.
    """
    packages = {path.parent for root in roots for path in files(root)}
    for path in (path for package in packages for path in package.glob("__pycache__/*.pyc")):
        source = path.parent.with_name(path.name.partition(".")[0] + ".py")
        with contextlib.suppress(OSError):  # there is none, it has just gone, or it is not ours to remove
            facts = source.stat()
            if path.stat().st_mtime_ns < max(facts.st_mtime_ns, facts.st_ctime_ns) + _SAFELY_LATER:
                path.unlink()
