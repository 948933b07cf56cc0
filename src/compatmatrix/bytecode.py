"""Byte code that one environment has of a file, for another environment that has the same file.

Python compiles what a column imports, and torch is the same in all of them: seconds and 50 MB for each. uv links
files from its cache, so "the same file" is the same inode, and nothing has to be compared or believed. Python itself
checks once more, by the time and size in the byte code, and puts the path right when it loads it.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

_NEIGHBOURS = 3


def adopt(environment: Path, neighbours: Path, manifest: str) -> int:
    """Link into ``environment`` what the newest complete environments under ``neighbours`` have; how many files.

    ``manifest`` is the file that a complete environment has. One that was not used yet has none to give. Where files
    cannot be linked, Python compiles them.
    """
    complete = [path.parent for path in neighbours.glob(f"*/{manifest}") if path.parent != environment]
    used = sorted(filter(_is_used, complete), key=_changed, reverse=True)
    return sum(_adopt(environment, other) for other in used[:_NEIGHBOURS])


def _is_used(environment: Path) -> bool:
    return any(environment.glob("lib/python3*/site-packages/*/__pycache__/*.cpython-*.pyc"))


def _adopt(environment: Path, other: Path) -> int:
    count = 0
    for compiled in other.glob("lib/python3*/site-packages/**/__pycache__/*.cpython-*.pyc"):
        source = compiled.parents[1] / (compiled.name.partition(".cpython-")[0] + ".py")
        target = environment / compiled.relative_to(other)
        with suppress(OSError):
            if source.samefile(environment / source.relative_to(other)) and not target.exists():
                target.parent.mkdir(exist_ok=True)
                target.hardlink_to(compiled)
                count += 1
    return count


def _changed(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # removed meanwhile
        return 0.0
