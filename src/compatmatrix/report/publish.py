"""Putting the files of a report where others read them: a reader never meets half of one."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from compatmatrix.errors import StorageError


def publish(texts: Mapping[str, str], directory: Path, folders: Sequence[str] = ()) -> None:
    """Put files (path -> text) into a directory; files that are not of them stay.

    Everything is written to a temporary sibling first; then the ``folders``, which belong to the report as a whole,
    are exchanged, and the files of the top replaced, the last one last: the page, so that it never speaks of files
    that are not there. Raises :class:`StorageError` where the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".report-", dir=directory) as name:
            _publish(texts, Path(name), directory, folders)
    except OSError as error:
        raise StorageError(
            f"the report could not be written to {directory}: {error}",
            hint="free some space or name another directory; the results are in the store",
        ) from error


def _publish(texts: Mapping[str, str], staging: Path, directory: Path, folders: Sequence[str]) -> None:
    new, old = staging / "new", staging / "old"
    old.mkdir()
    for path, text in texts.items():
        target = new / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode("utf-8", "replace"))
    for folder in folders:
        if (directory / folder).exists():
            shutil.move(directory / folder, old / folder)
        if (new / folder).exists():
            (new / folder).replace(directory / folder)
    for path in texts:  # a dict keeps its order: the page is the last one
        if "/" not in path:
            (new / path).replace(directory / path)
