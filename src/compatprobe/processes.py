"""What only the operating system can tell or do: descendants, limits, deaths. Linux; elsewhere it does less."""

import ctypes
import os
import resource
import signal
import sys
import time
from typing import Dict, List

_SET_PDEATHSIG = 1
_SET_CHILD_SUBREAPER = 36
_LINUX = sys.platform.startswith("linux")
# Looked up once, before anything is forked: what a child looks up, it pays for with copies of pages.
_C = ctypes.CDLL(None, use_errno=True) if os.name == "posix" else None
_FFLUSH = getattr(_C, "fflush", None)
_PRCTL = getattr(_C, "prctl", None) if _LINUX else None


def _prctl(option: int, value: int) -> None:
    if _PRCTL is not None:
        _PRCTL(option, value, 0, 0, 0)


def flush_c() -> None:
    """Write what C and C++ have printed and still hold."""
    if _FFLUSH is not None:
        _FFLUSH(None)


def adopt_orphans() -> None:
    """Become the parent of every descendant that loses its own: nothing gets away by forking twice."""
    _prctl(_SET_CHILD_SUBREAPER, 1)


def die_with(parent: int) -> None:
    """Be killed when the parent dies, also where it already has."""
    _prctl(_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        os._exit(71)


def children(pid: int) -> List[int]:
    """The processes whose parent is this one."""
    found: List[int] = []
    tasks = "/proc/{}/task".format(pid)
    for task in _names(tasks):
        try:
            with open("{}/{}/children".format(tasks, task), encoding="ascii") as stream:
                found.extend(int(word) for word in stream.read().split())
        except OSError:
            continue  # the thread has just ended
    return found


def _names(directory: str) -> List[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def kill_children(patience: float = 5.0) -> int:
    """Kill and reap all descendants of this process; how many there were, as far as it is the one to reap them.

    The children of a killed process become children of this one (``adopt_orphans``), so that rounds of killing
    its children reach everything, however it was forked.
    """
    killed = set()
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        alive = children(os.getpid())
        for pid in alive:
            _kill(pid)
        killed.update(alive)
        if not reap() and not alive:
            break
        time.sleep(0.001)
    return len(killed)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def reap() -> Dict[int, int]:
    """Collect every child that has ended: process id -> wait status."""
    ended: Dict[int, int] = {}
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if not pid:
            return ended
        ended[pid] = status


def memory() -> Dict[str, int]:
    """This process's figures in bytes: ``VmRSS``, ``VmHWM`` (the peak), ``VmData``; empty where there is no /proc."""
    try:
        with open("/proc/self/status", encoding="utf-8", errors="replace") as stream:
            lines = stream.readlines()
    except OSError:
        return {}
    pairs = (line.split(":", 1) for line in lines if line.startswith("Vm"))
    return {name: int(value.split()[0]) * 1024 for name, value in pairs}


def peak_memory() -> int:
    """The most memory that this process ever held, in bytes."""
    unit = 1024 if _LINUX else 1
    return memory().get("VmHWM") or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def threads() -> int:
    """How many threads this process has; 0 where it cannot be told."""
    return len(_names("/proc/self/task"))


def limit_memory(cap: int) -> None:
    """Let an allocation that would pass the cap (bytes, of resident memory) fail as one, with a traceback.

    Only private memory counts, and only this process's; the host watches the whole tree from outside. Libraries'
    pages are shared and stay out: what may be allocated is the cap less what is resident now.
    """
    now = memory()
    if cap and now:
        room = max(cap - now["VmRSS"], 64 << 20)
        _set_soft(resource.RLIMIT_DATA, now["VmData"] + room)


def lift_memory_limit() -> None:
    """Allow again what ``limit_memory`` forbade: the record has to be written after a ``MemoryError`` as well."""
    _set_soft(resource.RLIMIT_DATA, None)


def no_core_dumps() -> None:
    """A crash is reported by its signal and traceback; core files would only fill the disk."""
    _set_soft(resource.RLIMIT_CORE, 0)


def _set_soft(which: int, value: "int | None") -> None:
    hard = resource.getrlimit(which)[1]
    wanted = hard if value is None else value
    if resource.RLIM_INFINITY not in (hard, wanted):
        wanted = min(wanted, hard)
    try:
        resource.setrlimit(which, (wanted, hard))
    except (OSError, ValueError):
        pass  # a platform without it
