"""The headers of safetensors files: names, dtypes, shapes, and whether the file is as long as they say.

https://github.com/huggingface/safetensors#format: eight bytes with the length of a JSON header, the header, the
numbers. Nothing else is read.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from compatmatrix.trying.found import DTYPES, Tensor

#: The library's own limit.
_LONGEST = 100_000_000


class HeaderError(ValueError):
    """A file that is not what its header says, in words that can follow its name."""


def read(path: Path) -> dict[str, Tensor]:
    """Name -> tensor; raises :class:`HeaderError`."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if size < 8 or length > min(_LONGEST, size - 8):
            raise HeaderError(_no_header(path, size))
        raw = stream.read(length)
    try:
        header = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise HeaderError("is not a safetensors file: its header is not JSON") from error
    if not isinstance(header, dict):
        raise HeaderError("is not a safetensors file: its header is not a mapping")
    base = 8 + length
    tensors = {name: _tensor(path.name, name, told, base) for name, told in header.items() if name != "__metadata__"}
    _complete(tensors, base, size)
    return tensors


def _no_header(path: Path, size: int) -> str:
    with path.open("rb") as stream:
        if stream.read(40).startswith(b"version https://git-lfs"):
            return "is a pointer of Git LFS, not the file: fetch it with `git lfs pull`"
    return "is empty" if not size else f"is cut off or not a safetensors file: {size:,} bytes do not hold its header"


def _tensor(file: str, name: str, told: Any, base: int) -> Tensor:
    try:
        dtype, (start, end) = told["dtype"], told["data_offsets"]
        shape = tuple(map(int, told["shape"]))
        start, end = int(start), int(end)
        found = Tensor(
            file=file, dtype=DTYPES.get(dtype, (dtype, 0))[0], shape=shape, start=base + start, end=base + end
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise HeaderError(f"has a header that makes no sense for {name!r}") from error
    width = DTYPES.get(dtype, ("", 0))[1]
    if start < 0 or start > end or min(shape, default=0) < 0 or (width and found.numbers * width != end - start):
        raise HeaderError(
            f"has a header that makes no sense for {name!r}: {end - start:,} bytes for {dtype} {list(shape)}"
        )
    return found


def _complete(tensors: dict[str, Tensor], base: int, size: int) -> None:
    at = base
    for name, tensor in sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)):
        if tensor.start != at:
            raise HeaderError(
                f"has a header that makes no sense: {name!r} does not begin where the tensor before it ends"
            )
        at = tensor.end
    if at > size:
        raise HeaderError(f"is cut off: {size:,} bytes of {at:,}")
    if at < size:
        raise HeaderError(f"has {size - at:,} bytes behind its last tensor")
