"""Files below directories: which there are, and whether they were written since.

The noxfile needs it, and is read once for each session: it imports nothing of the pipeline.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

Stamps = Mapping[str, tuple[int, int, int]]
"""Path of a file -> size, time of its last change, inode."""

SAFELY_LATER = 2_000_000_000
"""Nanoseconds: what happens so long after a change has another time than it, in any file system."""


def files(root: Path) -> Iterator[Path]:
    """The files below a directory, also where links to directories lead; byte code is none of them."""
    return map(Path, _files(root))


def _files(root: Path) -> Iterator[str]:
    seen = set()
    for name, directories, names in os.walk(root, followlinks=True):
        if (real := os.path.realpath(name)) in seen:  # a link that leads back
            directories.clear()
            continue
        seen.add(real)
        directories[:] = sorted(each for each in directories if each != "__pycache__")
        yield from (os.path.join(name, each) for each in sorted(names))  # noqa: PTH118 - after each cell


def stamps(roots: Iterable[Path]) -> Stamps:
    """The Python files below directories, as they are now."""
    found = {}
    for path in (path for root in roots for path in _files(root) if path.endswith(".py")):
        with contextlib.suppress(OSError):  # it has just gone
            facts = os.stat(path)  # noqa: PTH116 - after each cell
            found[path] = facts.st_size, facts.st_mtime_ns, facts.st_ino
    return found


def changed(before: Stamps, roots: Iterable[Path]) -> str:
    """A Python file below directories that is new, gone or written since; empty where there is none."""
    now = stamps(roots)
    return next((path for path in {**before, **now} if before.get(path) != now.get(path)), "")


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
            if path.stat().st_mtime_ns < max(facts.st_mtime_ns, facts.st_ctime_ns) + SAFELY_LATER:
                path.unlink()
