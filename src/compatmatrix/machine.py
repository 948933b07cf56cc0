"""What this machine lets a process use: processors, and the memory that is free."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

_AHEAD = 6
"""Columns that have begun and wait for a processor: more than most matrices have, at 100 MB each."""


def processors() -> int:
    """How many processors this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return max(1, len(affinity(0)) if affinity else os.cpu_count() or 1)


def sessions() -> int:
    """How many columns to have begun at once: cells run on as many processors as there are, and who waits for one
    resolves and builds meanwhile, which is waiting for the index and the disk more than anything else.
    """
    return processors() + _AHEAD


def free() -> int:
    """Memory that this process may still use: of the machine, or of its control group where that allows less."""
    import psutil  # not at the top: the noxfile, which is read once for each session, asks for processors only

    available = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        most = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
        available = min(available, max(most - used, 0))
    return available
