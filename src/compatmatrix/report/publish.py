"""Putting the files of a report where others read them: a reader never meets half of one."""

from __future__ import annotations

import shutil
import stat
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from compatmatrix.errors import StorageError

_STAGING = ".report-"


def publish(texts: Mapping[str, str], directory: Path, folders: Sequence[str] = ()) -> None:
    """Put files (path -> text) into a directory; files that are not of them, or say the same already, stay.

    Everything else is written to a temporary sibling first. Then each file is replaced in one piece, the last one last:
    the page, so that it never speaks of files that are not there, not even where this process is killed between two
    of them. In the end what is no longer among the files goes from the ``folders``, which belong to the report as a
    whole. One process at a time: what another one left half done is cleared away. Raises :class:`StorageError` where
    the directory cannot be written.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for left in directory.glob(f"{_STAGING}*"):
            shutil.rmtree(left)
        for folder in folders:
            if (directory / folder).is_file():
                (directory / folder).unlink()
        with tempfile.TemporaryDirectory(prefix=_STAGING, dir=directory) as name:
            _publish(texts, Path(name), directory)
        for folder in folders:
            _remove_others(directory, folder, texts)
    except OSError as error:
        raise StorageError(
            f"the report could not be written to {directory}: {error}",
            hint="free some space or name another directory; the results are in the store",
        ) from error


def _publish(texts: Mapping[str, str], staging: Path, directory: Path) -> None:
    new = []
    for path, text in texts.items():
        data = text.encode("utf-8", "replace")
        if _is_there(directory / path, data):
            continue
        new.append(path)  # in their order: the page is the last one
        target = staging / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    for path in new:
        (directory / path).parent.mkdir(parents=True, exist_ok=True)
        (staging / path).replace(directory / path)


def _is_there(path: Path, data: bytes) -> bool:
    """Whether a file, which is none of somebody else's by a link, holds these bytes."""
    try:
        facts = path.lstat()
        return stat.S_ISREG(facts.st_mode) and facts.st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def _remove_others(directory: Path, folder: str, texts: Mapping[str, str]) -> None:
    """Remove what stands in a folder of the report and is none of its files, and directories that are empty then."""
    below = [directory / folder, *(directory / folder).rglob("*")]
    for path in reversed(below):  # what is inside a directory comes before it
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif path.relative_to(directory).as_posix() not in texts:
            path.unlink(missing_ok=True)
