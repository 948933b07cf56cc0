"""Memory that this process has in use, as the kernel counts it (Linux)."""

import ctypes
import math
from pathlib import Path
from typing import TYPE_CHECKING

from compatprobe import Skip, processes

if TYPE_CHECKING:
    from scenarios.common.checkpoint import Checkpoint

#: glibc's ``M_MMAP_THRESHOLD``: blocks from this size on are mapped by themselves.
_MMAP_THRESHOLD = -3
_RESET_PEAK = "5"


def keep_no_freed_blocks() -> None:
    """Let every block of a mebibyte or more go back to the system when it is freed.

    The real sizes of tensors are beyond glibc's own limit (32 MiB), and are given back too; small ones would be
    kept, and what a load takes then depended on what was freed before.
    """
    allocator = ctypes.CDLL(None)
    if hasattr(allocator, "mallopt"):
        allocator.mallopt(_MMAP_THRESHOLD, 1 << 20)


def reset_peak() -> int:
    """Forget the peak so far; the bytes that are resident now.

    Raises:
        Skip: this system cannot reset it.
    """
    try:
        Path("/proc/self/clear_refs").write_text(_RESET_PEAK, encoding="ascii")
    except OSError as error:
        raise Skip(f"the peak of memory cannot be reset here: {error}") from error
    return processes.memory()["VmRSS"]


def peak() -> int:
    """The most bytes that were resident since :func:`reset_peak`."""
    return processes.memory()["VmHWM"]


def halves(used: int, checkpoint: "Checkpoint") -> float:
    """Bytes as a multiple of a checkpoint's tensors, rounded to a half: what is finer differs from run to run."""
    return round(2 * _multiple(used, checkpoint)) / 2


def quarters(used: int, checkpoint: "Checkpoint") -> float:
    """The same rounded *up* to a quarter, to be held against a limit: what is above it stays above it."""
    return math.ceil(4 * _multiple(used, checkpoint)) / 4


def _multiple(used: int, checkpoint: "Checkpoint") -> float:
    size: int = sum(tensor.numel() * tensor.element_size() for tensor in checkpoint.tensors.values())
    return used / size
