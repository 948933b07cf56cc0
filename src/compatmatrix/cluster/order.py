"""What is asked of a worker and what it answers, as plain data; and which program both sides must be."""

from __future__ import annotations

import hashlib
import tempfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from compatmatrix import __version__
from compatmatrix.errors import Exit
from compatmatrix.listings import PROBE
from compatmatrix.loading import VIRTUALCUDA
from compatmatrix.results import CellResult
from compatmatrix.store import STORE, Store


@dataclass(frozen=True, kw_only=True)
class Order:
    """One column. ``known`` is a packed store of results that need not be measured again.

    ``content`` is the hash of what :func:`compatmatrix.cluster.content.pack` gave, ``topic`` the name of the events
    that tell where columns are begun.
    """

    id: str
    cells: tuple[str, ...]
    arguments: tuple[str, ...]
    program: str
    content: str
    topic: str
    known: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """How the column's process ended, on which worker, after how many seconds; and its whole store, packed."""

    status: Exit
    output: str
    seconds: float
    where: str
    store: bytes


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a worker says of itself."""

    program: str
    resources: dict[str, float]


def program() -> str:
    """This program: its version, and a hash of all its sources, the probe's and virtual CUDA's among them.

    Results of another program would be keyed otherwise, and columns resolved in another way. It is read anew each
    time: an editable install changes while a worker runs.
    """
    sha = hashlib.sha256()
    for folder in (Path(__file__).parents[1], PROBE, VIRTUALCUDA):
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".py", ".cpp", ".h"):
                sha.update(f"{folder.name}/{path.relative_to(folder).as_posix()}\0".encode())
                sha.update(hashlib.sha256(path.read_bytes()).digest())
    return f"{__version__} ({sha.hexdigest()[:12]})"


INSTALL = "install the same compatmatrix[dask] on the client, the scheduler and every worker, and start them again"


def mismatch(who: str, there: str, client: str) -> str:
    """That another program is there than the client's."""
    return f"{who} has compatmatrix {there}, and the client {client}"


def packed(state: Path) -> bytes:
    """The results store of a state directory that nobody uses; nothing where there is none."""
    path = state / STORE
    if not path.exists():
        return b""
    with Store(path):
        pass  # the last to close it brings what is in the write-ahead log into the file
    return zlib.compress(path.read_bytes())


def unpacked(data: bytes, folder: Path) -> Path:
    """Write a packed store into a directory, which is made, and give its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / STORE
    path.write_bytes(zlib.decompress(data))
    return path


def of_rows(rows: Iterable[CellResult]) -> bytes:
    """A packed store of these results."""
    with tempfile.TemporaryDirectory(prefix="compatmatrix-") as folder:
        with Store(Path(folder, STORE)) as store, store.transaction():
            for row in rows:
                store.put(row)
        return packed(Path(folder))
