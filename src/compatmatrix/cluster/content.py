"""What every column is given, as bytes: the matrix and the scenarios, so that workers need no checkout.

The environment of this process is no part of it, nor is any file beside the scenarios: what stands in variables and
in hidden files may be a secret. Workers use their own pip configuration and their own git credentials.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from compatmatrix import roots
from compatmatrix.errors import InfrastructureError, InputError
from compatmatrix.matrix import Matrix, PathSource
from compatmatrix.redaction import redact

LIMIT = 32 << 20
"""Bytes of all scenario files together. The program says where big data is; it does not carry it."""
_MATRIX = "matrix.json"
_ROOTS = "roots"
_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Unpacked:
    """Where a worker finds them: in the order in which the roots were given."""

    matrix: Path
    roots: tuple[Path, ...]


def pack(matrix: Matrix, where: Sequence[Path]) -> bytes:
    """A matrix and scenario roots; the same bytes for the same content.

    A root keeps its name: tracebacks are shortened by it. Raises :class:`InputError` for what a worker could not use:
    a source that is relative to matrix.yaml, a matrix that holds a secret, a link that leads elsewhere, too many bytes.
    """
    # What was not written stays unwritten: a limit of 60.0 that was read back as the default 60 is another key.
    text = json.dumps(matrix.model_dump(mode="json", exclude_unset=True), indent=1)
    if _holds_a_secret(text):
        raise InputError(
            "matrix.yaml holds what looks like a secret; it is not sent to other machines",
            hint="take it out of the URL, and give the workers a credential helper of git",
        )
    relative = [
        f"{version.id}: {source.path}"
        for version in matrix.versions
        for source in version.sources
        if isinstance(source, PathSource) and not Path(source.path).is_absolute()
    ]
    if relative:
        raise InputError(
            f"sources relative to matrix.yaml are not on the workers: {', '.join(relative)}",
            hint="name an absolute path that every worker has, or run these versions without --executor dask",
        )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(_MATRIX, _EPOCH), text, zipfile.ZIP_DEFLATED)
        left = LIMIT
        for number, root in enumerate(where):
            archive.writestr(zipfile.ZipInfo(f"{_ROOTS}/{number}/{root.name}/", _EPOCH), "")
            for name, data in _files(root):
                left -= len(data)
                if left < 0:
                    raise InputError(
                        f"{root}: the scenario files are more than {LIMIT >> 20} MiB",
                        hint="keep data elsewhere: a scenario makes its checkpoints, or fetches them",
                    )
                entry = zipfile.ZipInfo(f"{_ROOTS}/{number}/{root.name}/{name}", _EPOCH)
                archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def digest(data: bytes) -> str:
    """The hash that an order names its content by."""
    return hashlib.sha256(data).hexdigest()


def unpack(data: bytes, expected: str, folder: Path) -> Unpacked:
    """Write it into a directory. Raises :class:`InfrastructureError` where it is not what was sent."""
    if digest(data) != expected:
        raise InfrastructureError(
            "the matrix and the scenarios did not arrive as they were sent", hint="run again; then suspect the network"
        )
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
        names = [PurePosixPath(name) for name in archive.namelist() if name.endswith("/")]
    found = {int(name.parts[1]): folder / name for name in names}
    return Unpacked(matrix=folder / _MATRIX, roots=tuple(found[number] for number in sorted(found)))


def _holds_a_secret(text: str) -> bool:
    """What :func:`redact` takes for a secret becomes ``***``; home directories and the machine's name are none."""
    return "***" in redact(text.replace("***", ""), home="")


def _files(root: Path) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every regular file below a root, hidden ones and byte code left out; links within it only.

    A root that was made for a single file has nothing but a link to it. Raises :class:`InputError` for another link
    that leads elsewhere: a column without it would be another one.
    """
    single = roots.single(root)
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if any(part.startswith(".") or part == "__pycache__" for part in name.parts):
            continue
        if path.is_symlink() and path != single and not _stays(path, root):
            raise InputError(
                f"{path}: a link that leads out of the scenarios, to a directory or nowhere; it is not sent to workers",
                hint="put a copy of the file in its place, or take the link away",
            )
        if path.is_file():
            yield name.as_posix(), path.read_bytes()


def _stays(link: Path, root: Path) -> bool:
    """Whether it leads to a file of its own root; what is behind a link to a directory is not looked through."""
    return link.is_file() and link.resolve().is_relative_to(root.resolve())
