"""Sizes as people write them: ``"64MiB"``, ``"24GiB"``, ``1 << 20``."""

import re
from typing import Union

Size = Union[int, str]

_UNITS = {
    "": 1,
    "b": 1,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
    "tib": 1 << 40,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
}


def parse_size(size: Size) -> int:
    """Bytes in `size`, e.g. ``"1.5GiB"``; raises ValueError for anything that is not a size."""
    if isinstance(size, bool):
        raise ValueError("a size is a number of bytes or a text such as '64MiB', not a bool")
    if isinstance(size, int):
        number = float(size)
        result = size
    else:
        match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", size)
        unit = _UNITS.get(match.group(2).lower()) if match else None
        if match is None or unit is None:
            raise ValueError(f"{size!r} is not a size; write it like 512, '64MiB' or '1.5GiB'")
        number = float(match.group(1))
        result = int(number * unit)
    if number < 0:
        raise ValueError(f"a size cannot be negative: {size!r}")
    return result
