"""The matrix of a try: the versions that were asked for, and limits that follow from the checkpoint. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from packaging.version import Version as Release
from pydantic import ByteSize

from compatmatrix import plan
from compatmatrix.matrix import Companion, Matrix, PathSource, PypiSource, Selection, Version


def matrix_of(
    matrix: Matrix, versions: Sequence[str], extra: Sequence[str], *, root: Path, memory: int, timeout: float
) -> Matrix:
    """The matrix with these versions, further packages, everything selected, and these limits of a cell.

    ``versions`` are ids of the matrix, or numbers of other releases; all of the matrix where there are none.
    ``root`` is the directory that the matrix's paths are relative to.

    Raises :class:`compatmatrix.errors.SelectionError` for what is neither.
    """
    chosen = [_version(matrix, id) for id in dict.fromkeys(versions)] or list(matrix.versions)
    beside = [Companion(package=name, requirement="", why="asked for on the command line") for name in extra]
    policy = matrix.policy.model_copy(
        update={
            "memory": ByteSize(memory),
            "timeout_seconds": timeout,
            "no_progress_seconds": _patience(matrix, timeout),
        }
    )
    return matrix.model_copy(
        update={
            "versions": tuple(_absolute(version, root) for version in chosen),
            "companions": (*matrix.companions, *beside),
            "scenarios": Selection(),
            "policy": policy,
        }
    )


def _patience(matrix: Matrix, timeout: float) -> float:
    """A large load makes no step for long."""
    usual = matrix.policy
    return usual.no_progress_seconds if timeout <= usual.timeout_seconds else timeout


def _version(matrix: Matrix, id: str) -> Version:
    if id not in {version.id for version in matrix.versions}:
        try:
            return Version(id=id, sources=(PypiSource(pypi=str(Release(id))),))
        except ValueError:  # not a number of a release, such as 1!4.46
            pass
    return plan.version(matrix, id)


def _absolute(version: Version, root: Path) -> Version:
    sources = tuple(
        PathSource(path=str(root / source.path)) if isinstance(source, PathSource) else source
        for source in version.sources
    )
    return version.model_copy(update={"sources": sources})
