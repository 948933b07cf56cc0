"""Looks at the processes below a probe, and ends them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

_PAGE = os.sysconf("SC_PAGE_SIZE")


def tree_memory(root: int) -> int:
    """Resident bytes of all descendants of a process, itself left out; what has just ended counts as nothing.

    Pages that processes share are counted once for each of them.
    """
    return sum(_resident(pid) for pid in descendants(root))


def descendants(root: int) -> Iterator[int]:
    """The processes below one, parents first."""
    waiting = list(_children(root))
    seen = {root}
    while waiting:
        pid = waiting.pop()
        if pid not in seen:
            seen.add(pid)
            yield pid
            waiting.extend(_children(pid))


def _children(pid: int) -> list[int]:
    """Linux tells a process's children directly; elsewhere psutil looks through all processes."""
    tasks = f"/proc/{pid}/task"
    try:
        names = os.listdir(tasks)  # noqa: PTH208 - ten times a second
    except OSError:
        with suppress(psutil.Error):
            return [child.pid for child in psutil.Process(pid).children()]
        return []
    found: list[int] = []
    for name in names:
        with suppress(OSError):  # the thread has just ended
            found.extend(map(int, Path(f"{tasks}/{name}/children").read_text().split()))
    return found


def _resident(pid: int) -> int:
    with suppress(OSError, IndexError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
    with suppress(psutil.Error):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


def stopped(root: int) -> bool:
    """Whether a process, or one below it, is held by SIGSTOP or a debugger: it stands still by another's doing."""
    return any(
        _status(pid) in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP) for pid in (root, *descendants(root))
    )


def _status(pid: int) -> str:
    with suppress(psutil.Error):
        return psutil.Process(pid).status()
    return ""


def kill_marked(name: str, value: str, patience: float = 2.0) -> int:
    """Kill every process that was started with this environment variable; how many there were.

    For what a dead zygote left: such processes belong to nobody any more, and only their environment
    still tells where they came from.
    """
    killed: set[int] = set()
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        found = [process for process in psutil.process_iter() if _is_marked(process, name, value)]
        if not found:
            break
        for process in found:
            with suppress(psutil.Error):
                process.kill()
                killed.add(process.pid)
        time.sleep(0.01)
    return len(killed)


def _is_marked(process: psutil.Process, name: str, value: str) -> bool:
    with suppress(psutil.Error, OSError):
        return process.environ().get(name) == value and process.status() != psutil.STATUS_ZOMBIE
    return False
