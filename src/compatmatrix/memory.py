"""The memory that is free on this machine."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import psutil


def free() -> int:
    """Memory that this process may still use: of the machine, or of its control group where that allows less."""
    available = int(psutil.virtual_memory().available)
    with suppress(OSError, ValueError):
        group = Path("/sys/fs/cgroup")
        most = int((group / "memory.max").read_text(encoding="ascii"))
        used = int((group / "memory.current").read_text(encoding="ascii"))
        available = min(available, max(most - used, 0))
    return available
