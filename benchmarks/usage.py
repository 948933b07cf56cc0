"""What a command costs: wall-clock and processor seconds, and memory, of it and everything it waited for."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Usage:
    """``wall`` and ``processor`` in seconds; ``memory`` is the peak of the largest single process, in bytes."""

    wall: float
    processor: float
    memory: int = 0

    def __sub__(self, other: Usage) -> Usage:
        return Usage(wall=self.wall - other.wall, processor=self.processor - other.processor)


def spend(
    command: Sequence[str],
    *,
    cwd: Path,
    log: Path,
    environ: Mapping[str, str] | None = None,
    statuses: Sequence[int] = (0,),
) -> Usage:
    """Run a command to its end; ends the program with the last lines of its output where the status is another one.

    The kernel adds up what a process and all descendants that were waited for have used.
    """
    began = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=cwd, env=surroundings(environ), stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in statuses:
        end = log.read_text(encoding="utf-8", errors="replace")[-3000:]
        raise SystemExit(f"{' '.join(command)[:300]} ended with {process.returncode}:\n{end}")
    return Usage(wall=wall, processor=used.ru_utime + used.ru_stime, memory=used.ru_maxrss * 1024)


def surroundings(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment as a user has it: without what keeps Python from writing byte code, or steers nox."""
    given = os.environ if environ is None else environ
    return {name: text for name, text in given.items() if not name.startswith(("PYTHONDONTWRITE", "NOX"))}
