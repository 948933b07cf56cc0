"""What the files hold: a digest of their bytes, and how many numbers are not finite.

Results are keyed by it. A size and times are not enough to tell two files apart, but enough to tell that one has not
been touched since it was read: digests are kept under them. The time at which a file's entry last changed is among
them: nobody can set that one back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from compatmatrix.trying.found import Found, Tensor

_AT_ONCE = 1 << 24
_WEIGHTS = frozenset({".safetensors", ".bin", ".h5", ".msgpack", ".gguf", ".pth", ".pt", ".onnx"})
#: dtype -> an unsigned number of its width, and the bits that are all set where a number is not finite.
_EXPONENTS = {
    "float64": ("<u8", 0x7FF0000000000000),
    "float32": ("<u4", 0x7F800000),
    "float16": ("<u2", 0x7C00),
    "bfloat16": ("<u2", 0x7F80),
    "float8_e5m2": ("u1", 0x7C),
    "float8_e4m3fn": ("u1", 0x7F),
}


@dataclass(frozen=True, kw_only=True)
class Content:
    """``digest`` of all files; ``not_finite``: tensor -> count, or None where the files were not counted (pickles)."""

    digest: str
    not_finite: Mapping[str, int] | None


def read(found: Found, cache: Path) -> Content:
    """Read every file that a load can reach; what was read before, and was not touched, is taken from the cache."""
    known = _known(cache)
    names = sorted({*found.weights, *_beside(found)})
    entries = {name: _entry(found, name, known) for name in names}
    known.update({str((found.directory / name).resolve()): entry for name, entry in entries.items()})
    with suppress(OSError):  # only the next run is slower
        cache.parent.mkdir(parents=True, exist_ok=True)
        part = cache.with_name(cache.name + ".part")
        part.write_text(json.dumps(known), encoding="utf-8")
        part.replace(cache)
    told = "".join(f"{name}\0{entry['sha256']}\n" for name, entry in sorted(entries.items()))
    bad: dict[str, int] = {}
    for name in found.weights:
        bad.update(entries[name]["not_finite"])
    return Content(digest=hashlib.sha256(told.encode()).hexdigest(), not_finite=None if found.pickled else bad)


def _beside(found: Found) -> list[str]:
    """Every file, at any depth, but for hidden ones; without weights where none are loaded."""
    names = [path.relative_to(found.directory) for path in found.directory.rglob("*") if path.is_file()]
    return [
        str(name)
        for name in names
        if not any(part.startswith(".") for part in name.parts) and (found.weights or name.suffix not in _WEIGHTS)
    ]


def _entry(found: Found, name: str, known: Mapping[str, Any]) -> dict[str, Any]:
    path = (found.directory / name).resolve()
    facts = path.stat()
    stamp = [facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns, facts.st_ino]
    before = known.get(str(path))
    if isinstance(before, dict) and before.get("stamp") == stamp and {"sha256", "not_finite"} <= before.keys():
        return before
    with path.open("rb") as stream:
        sha = hashlib.sha256()
        while piece := stream.read(_AT_ONCE):
            sha.update(piece)
    tensors = {each: tensor for each, tensor in found.tensors.items() if tensor.file == name}
    return {"stamp": stamp, "sha256": sha.hexdigest(), "not_finite": not_finite(path, tensors)}


def not_finite(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, int]:
    """Tensor -> how many of its numbers are infinite or NaN, for those that have any; whole numbers never are."""
    found = {name: _count(path, tensor) for name, tensor in tensors.items() if tensor.dtype in _EXPONENTS}
    return {name: count for name, count in found.items() if count}


def _count(path: Path, tensor: Tensor) -> int:
    kind, exponent = _EXPONENTS[tensor.dtype]
    count = 0
    width = numpy.dtype(kind).itemsize
    for start in range(0, tensor.numbers, _AT_ONCE):
        some = min(_AT_ONCE, tensor.numbers - start)
        bits = numpy.fromfile(path, dtype=kind, count=some, offset=tensor.start + start * width)
        mask = bits.dtype.type(exponent)
        count += int(((bits & mask) == mask).sum())
    return count


def _known(cache: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        found = json.loads(cache.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}
