"""Running other programs (uv, git, an interpreter): with a timeout, output kept, nothing left behind."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import uv

from compatmatrix.errors import EnvironmentFailure
from compatmatrix.results import EnvReason
from compatmatrix.text import clean, one_line

#: What is kept of a tool's output in a column: enough for a resolver's explanation or a compiler's last words.
LOG_CHARACTERS = 6000

#: The caller's environment must not leak into what is built: these change what Python or uv act on.
_LEAKS = frozenset({"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "UV_PYTHON", "UV_SYSTEM_PYTHON"})
#: Hashes are required where there can be one, and verified always, whatever the caller's uv is told.
_HASHES = frozenset({"UV_REQUIRE_HASHES", "UV_NO_VERIFY_HASHES"})


@dataclass(frozen=True, kw_only=True)
class Completed:
    """A program that ended, or was stopped after its time."""

    code: int
    stdout: str
    stderr: str
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        return self.code == 0 and not self.timed_out

    @property
    def log(self) -> str:
        return clean(self.stderr.strip() or self.stdout.strip(), limit=LOG_CHARACTERS)


_SET_PDEATHSIG = 1
_LIBC: Any = ctypes.CDLL(None) if sys.platform.startswith("linux") else None


class Runner(Protocol):
    """The edge to other programs; tests inject their own."""

    def find(self, tool: str) -> str:
        """The path of ``uv`` or ``git``; raises :class:`EnvironmentFailure` (tool-missing)."""

    def run(self, command: Sequence[str], *, environ: Mapping[str, str], cwd: Path, timeout: float) -> Completed:
        """Run to the end, or kill the whole process group after ``timeout`` seconds and on an interrupt."""


class Subprocesses:
    """The real :class:`Runner`."""

    def find(self, tool: str) -> str:
        # uv is a dependency of this project and need not be on PATH.
        try:
            path = uv.find_uv_bin() if tool == "uv" else shutil.which(tool)
        except FileNotFoundError:
            path = shutil.which(tool)
        if path is None:
            raise EnvironmentFailure(
                EnvReason.TOOL_MISSING.value, f"{tool} is not installed", hint=f"install {tool} and put it on PATH"
            )
        return path

    def run(self, command: Sequence[str], *, environ: Mapping[str, str], cwd: Path, timeout: float) -> Completed:
        with subprocess.Popen(
            command,
            env={name: value for name, value in environ.items() if name not in _LEAKS | _HASHES},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
            preexec_fn=_end_with(os.getpid()),  # noqa: PLW1509 - two system calls, and no other thread starts programs
        ) as process:
            try:
                stdout, stderr = process.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                _kill(process)
                stdout, stderr = process.communicate()
                return Completed(code=process.returncode, stdout=stdout, stderr=stderr, timed_out=True)
            except BaseException:
                _kill(process)
                raise
        return Completed(code=process.returncode, stdout=stdout, stderr=stderr)


def _end_with(parent: int) -> Callable[[], None] | None:
    """What a program is to do before it begins, so that it does not outlive this process: not even ``kill -9`` of it.

    Elsewhere than on Linux there is nothing that could be done.
    """
    if _LIBC is None:
        return None

    def before() -> None:
        _LIBC.prctl(_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return before


def _kill(process: subprocess.Popen[str]) -> None:
    if hasattr(os, "killpg"):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            process.kill()
    else:
        process.kill()


def last_line(output: str) -> str:
    """The line of a tool's output that says most: git's ``fatal:``, uv's innermost ``cause:``, else the last one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "cause:"))]
    return one_line((telling or lines or ["no message"])[-1].removeprefix("cause: "))
