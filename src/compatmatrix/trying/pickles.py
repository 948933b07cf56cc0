"""Pickled weight files, looked at and never unpickled.

A pickle is a program. What it can do is what it names: each global that it asks for is read from its opcodes
(``pickletools.genops`` decodes, and runs nothing), and one that is not known to be harmless refuses the file. The
formats are told apart as ``torch.load`` does it, so that a file cannot be one thing here and another there.
"""

from __future__ import annotations

import pickletools
import re
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

_ZIP = b"PK\x03\x04"
#: Pickles at the beginning of the format before torch 1.6: number, protocol, system, the object, the storages' keys.
_LEGACY = 5
_HARMLESS = re.compile(
    r"collections\.OrderedDict"
    r"|torch\._utils\._rebuild_(tensor|tensor_v2|parameter)"
    r"|torch\.(storage\.)?(Double|Float|Half|BFloat16|Long|Int|Short|Char|Byte|Bool|Untyped|Float8_e4m3fn|Float8_e5m2)Storage"
    r"|torch\.(float64|float32|float16|bfloat16|float8_e4m3fn|float8_e5m2|int64|int32|int16|int8|uint8|bool|Size)"
)
_STORAGE = re.compile(r"torch\.(?:storage\.)?(\w+)Storage")
_DTYPES = {"Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16"}
#: Opcodes that make objects otherwise than by a global that is named in plain words.
_OPAQUE = frozenset({"INST", "OBJ", "EXT1", "EXT2", "EXT4", "NEWOBJ_EX"})
_TEXT = frozenset({"SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"})
_FRAMING = frozenset({"PROTO", "FRAME"})
_MEMOIZED = frozenset({"MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"})
_RECALLED = frozenset({"BINGET", "LONG_BINGET", "GET"})


class PickleRefusedError(ValueError):
    """A file that must not be unpickled, or is damaged, in words that can follow its name."""


@dataclass
class Looked:
    """What the opcodes say: globals, texts (names of tensors are among them), and how many numbers of each dtype."""

    globals: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    storages: dict[str, int] = field(default_factory=dict)

    @property
    def stored(self) -> str:
        """The floating dtype that most numbers have."""
        return max(self.storages, key=lambda dtype: self.storages[dtype]) if self.storages else "float32"


def look(path: Path) -> Looked:
    """What a weight file asks for; raises :class:`PickleRefusedError` where that is not harmless, or cannot be read."""
    found = Looked()
    try:
        with path.open("rb") as stream:
            if stream.read(4) == _ZIP:
                _zipped(path, found)
            else:
                stream.seek(0)
                _bare(path, stream, found)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, EOFError, NotImplementedError) as error:
        raise PickleRefusedError(f"is cut off or not a weight file: {error}") from error
    return found


def _zipped(path: Path, found: Looked) -> None:
    with zipfile.ZipFile(path) as archive:
        names = [entry.filename for entry in archive.infolist()]
        if any(name.casefold().endswith("constants.pkl") or "/code/" in name.casefold() for name in names):
            raise PickleRefusedError("holds a TorchScript program, not weights")
        pickles = [entry for entry in archive.infolist() if entry.filename.casefold().endswith((".pkl", ".pickle"))]
        if len(pickles) != 1 or len(set(names)) != len(names):
            raise PickleRefusedError(f"holds {len(pickles)} pickles where a weight file holds one")
        with archive.open(pickles[0]) as stream:
            _scan(stream, found)
        _whole(path, archive)


def _whole(path: Path, archive: zipfile.ZipFile) -> None:
    size = path.stat().st_size
    for entry in archive.infolist():
        if entry.header_offset + entry.compress_size > size:
            raise PickleRefusedError(f"is cut off: {entry.filename} ends behind the file")


def _bare(path: Path, stream: BinaryIO, found: Looked) -> None:
    if stream.read(40).startswith(b"version https://git-lfs"):
        raise PickleRefusedError("is a pointer of Git LFS, not the file: fetch it with `git lfs pull`")
    stream.seek(0)
    if tarfile.is_tarfile(path):
        raise PickleRefusedError("is a tar archive, the format before torch 0.1.10, which runs code when it is read")
    for _ in range(_LEGACY):
        _scan(stream, found)


def _scan(stream: object, found: Looked) -> None:
    """One pickle, up to its end."""
    for name in _Reader(found).globals(stream):
        if name not in found.globals and not _HARMLESS.fullmatch(name):
            raise PickleRefusedError(f"would run code when it is read: it names {name}, which no weight file needs")
        found.globals.add(name)


class _Reader:
    """Follows the opcodes of one pickle as far as names, and the sizes of storages, are concerned."""

    def __init__(self, found: Looked) -> None:
        self._found = found
        self._memo: dict[int, str | None] = {}
        #: What was pushed last: a text, a global (as :class:`_Global`), or anything else (None).
        self._recent: list[str | None] = []
        self._storage = ""
        self._number = 0

    def globals(self, stream: object) -> Iterator[str]:
        """Every global, as ``module.name``; one that cannot be read refuses the file."""
        try:
            for opcode, argument, _ in pickletools.genops(stream):  # type: ignore[arg-type]
                named = self._follow(opcode.name, argument)
                if named:
                    yield named
        except (ValueError, IndexError, AttributeError, OverflowError, MemoryError) as error:
            if isinstance(error, PickleRefusedError):
                raise
            raise PickleRefusedError(f"is cut off or not a weight file: {error}") from error

    def _follow(self, name: str, argument: object) -> str:
        if name in _OPAQUE:
            raise PickleRefusedError(f"would run code when it is read: it has the opcode {name}")
        if name in _FRAMING:
            return ""
        if name in _MEMOIZED:
            self._memo[len(self._memo) if name == "MEMOIZE" else _int(argument)] = self._recent[-1]
            return ""
        named = ""
        if name == "GLOBAL":
            named = str(argument).replace(" ", ".")
        elif name == "STACK_GLOBAL":
            # Both names stand right before it in all that Python writes; whoever hides them is refused.
            parts = self._recent[-2:]
            plain = len(parts) == 2 and not any(part is None or isinstance(part, _Global) for part in parts)
            named = ".".join(map(str, parts)) if plain else "a hidden global"
        self._push(name, argument, named)
        return named

    def _push(self, name: str, argument: object, named: str) -> None:
        if named:
            pushed: str | None = _Global(named)
        elif name in _RECALLED:
            pushed = self._memo.get(_int(argument))
        else:
            pushed = str(argument) if name in _TEXT else None
        self._recent = [*self._recent[-3:], pushed]
        if name in _TEXT:
            self._found.texts.add(str(argument))
        self._count(name, argument, pushed)

    def _count(self, name: str, argument: object, pushed: str | None) -> None:
        """A storage is a persistent id: its kind, a key, a place and, last, how many numbers it has."""
        match = _STORAGE.fullmatch(pushed) if isinstance(pushed, _Global) else None
        if match:
            self._storage = _DTYPES.get(match[1], "")
        elif isinstance(argument, int):
            self._number = argument
        elif name == "BINPERSID" and self._storage:
            self._found.storages[self._storage] = self._found.storages.get(self._storage, 0) + self._number


class _Global(str):
    """The name of a global: it looks like a text, and is none."""

    __slots__ = ()


def _int(argument: object) -> int:
    return int(str(argument or 0))
