"""Huge pages for what has been imported, so that a fork has less to copy. Linux from 6.1 on; elsewhere nothing.

A fork copies a table entry for every page of memory that is not a file's, and the child's end frees them: 60,000
after torch and transformers are imported, a third of what a small cell costs. In pages of 2 MiB there are about 100.
"""

import ctypes
import re
import sys
from typing import Iterator, Tuple

_COLLAPSE = 25  # MADV_COLLAPSE, madvise(2)
_HUGE = 2 << 20
_MAPPING = re.compile(r"([0-9a-f]+)-([0-9a-f]+) rw-p \S+ \S+ 0\s*(?:\[heap\]|\[anon.*\])?$")


def collapse() -> None:
    """Move this process's private memory to huge pages where the system can; fresh memory is not affected."""
    if not sys.platform.startswith("linux"):
        return
    madvise = ctypes.CDLL(None).madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    for start, end in list(_private()):
        madvise(start, end - start, _COLLAPSE)  # what it says does not matter: refused, all is as it was


def _private() -> Iterator[Tuple[int, int]]:
    """The mappings of private memory, cut to multiples of a huge page."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as lines:
            found = [_MAPPING.match(line.rstrip()) for line in lines]
    except OSError:
        return
    for match in found:
        if match:
            start = -(-int(match.group(1), 16) // _HUGE) * _HUGE
            end = int(match.group(2), 16) // _HUGE * _HUGE
            if end > start:
                yield start, end
