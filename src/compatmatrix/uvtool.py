"""uv: how it is called, and what its messages mean."""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from compatmatrix.errors import EnvironmentFailure
from compatmatrix.indexes import NO_INDEX
from compatmatrix.redaction import secrets
from compatmatrix.results import EnvReason
from compatmatrix.tools import Completed, Runner, last_line

#: Seconds. Resolving and installing may fetch hundreds of megabytes; nothing may hang for ever.
PATIENCE = 1800.0
QUICK = 60.0

_MEANINGS = (
    (re.compile(r"No space left on device|Disk quota exceeded|os error (28|122)\b"), EnvReason.DISK_FULL),
    (re.compile(r"build backend returned an error|Call to `\S+` failed", re.IGNORECASE), EnvReason.BUILD_FAILED),
    (re.compile(r"not our ref|couldn't find remote ref|reference is not a tree"), EnvReason.NO_SUCH_RELEASE),
    (
        re.compile(
            r"error sending request|dns error|tcp connect error|client error \(Connect\)|operation timed out"
            r"|network was disabled|HTTP status (client|server) error|Request failed after|Could not resolve host"
            r"|unable to access|Could not read from remote repository|Connection (refused|reset)",
            re.IGNORECASE,
        ),
        EnvReason.UNREACHABLE,
    ),
    (
        re.compile(
            r"there (is|are) no versions? of transformers\b|transformers was not found in"
            r"|only transformers[<>=]\S* (is|are) available"
        ),
        EnvReason.NO_SUCH_RELEASE,
    ),
    (re.compile(r"No solution found"), EnvReason.CONFLICT),
    (re.compile(r"Failed to (download and )?build|Git operation failed"), EnvReason.BUILD_FAILED),
)
"""What uv's messages mean, the first that fits; line breaks are taken out before."""

#: git, called here or by uv, must neither ask for a password nor wait on a stalled connection.
_QUIET_GIT = {
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=15",
    "GIT_HTTP_LOW_SPEED_LIMIT": "1",
    "GIT_HTTP_LOW_SPEED_TIME": "30",
}

_HINTS = {
    EnvReason.UNREACHABLE: "check the network, the proxy and the index that pip or uv is configured with",
    EnvReason.NO_SUCH_RELEASE: "correct the version's sources in matrix.yaml",
    EnvReason.CONFLICT: "give this range of versions a companion pin of its own in matrix.yaml",
    EnvReason.BUILD_FAILED: "the log tells what the build missed; a release with a wheel needs no build",
    EnvReason.INSTALL_FAILED: "the log tells what failed; `uv cache clean` helps where a download was damaged",
    EnvReason.DISK_FULL: "free some space; `uv cache prune` removes what uv no longer needs",
    EnvReason.INTERPRETER_MISSING: "install that Python, or name another one in matrix.yaml",
}


def failure(reason: EnvReason, message: str, *, log: str = "", hint: str = "") -> EnvironmentFailure:
    """An env-fail with its reason and the next step to take."""
    return EnvironmentFailure(reason.value, message, hint=hint or _HINTS.get(reason, ""), log=log)


def diagnose(done: Completed, otherwise: EnvReason) -> EnvReason:
    """Why uv (or git under it) failed, from its words; ``otherwise`` where they say nothing known.

    A build's own words come after the question whether a build ran: a setup.py that downloads and
    fails is a failed build, not an unreachable index.
    """
    text = " ".join(done.stderr.split())
    if done.timed_out:
        return EnvReason.UNREACHABLE
    return next((reason for pattern, reason in _MEANINGS if pattern.search(text)), otherwise)


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A Python that environments are made from."""

    path: Path
    version: str
    implementation: str
    platform: str

    def __str__(self) -> str:
        return f"{self.implementation} {self.version}, {self.platform}"


def without_secrets(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables without those whose names say that they are secrets, but for what uv needs to reach an index.

    A source distribution, or a git source, is built by code of its own, which sees uv's environment.
    """
    kept = ("UV_", "PIP_", "GIT_")
    return {name: value for name, value in environ.items() if name.startswith(kept) or not secrets({name: value})}


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What resolving and building share: a runner and the environment variables for uv and git."""

    runner: Runner
    environ: Mapping[str, str]

    def uv(
        self, *arguments: str | Path, timeout: float = PATIENCE, extra: Mapping[str, str] | None = None
    ) -> Completed:
        """Run uv where no project's configuration can reach it, and where builds find no secret."""
        command = [self.runner.find("uv"), "--color", "never", "--no-progress", *map(str, arguments)]
        if self.environ.get(NO_INDEX) and arguments[0] in ("pip", "build"):
            command.append("--no-index")
        return self._run(command, timeout, extra or {})

    def git(self, *arguments: str, timeout: float = QUICK) -> Completed:
        """Run git, which may need a token of the caller's to fetch; it runs nothing of what it fetched."""
        return self._run([self.runner.find("git"), *arguments], timeout, {}, self.environ)

    def python(self, path: Path, code: str) -> Completed:
        """Run a few lines in an interpreter, apart from the user's site and variables."""
        try:
            return self._run([str(path), "-I", "-S", "-c", code], QUICK, {})
        except (FileNotFoundError, PermissionError) as error:
            return Completed(code=127, stdout="", stderr=str(error))

    def _run(
        self, command: list[str], timeout: float, extra: Mapping[str, str], base: Mapping[str, str] | None = None
    ) -> Completed:
        with tempfile.TemporaryDirectory(prefix="compatmatrix-") as nowhere:
            environ = {**_QUIET_GIT, **(base or without_secrets(self.environ)), "GIT_TERMINAL_PROMPT": "0", **extra}
            return self.runner.run(command, environ=environ, cwd=Path(nowhere), timeout=timeout)


_DESCRIBE = (
    "import json, platform, sys, sysconfig; print(json.dumps(dict(version=platform.python_version(), "
    "implementation=platform.python_implementation(), platform=sysconfig.get_platform())))"
)


def interpreter(request: str, tools: Tools) -> Interpreter:
    """A Python of that version (``3.11``): the running one where it fits, else what uv finds or fetches.

    Raises :class:`EnvironmentFailure` (interpreter-missing).
    """
    if request == f"{sys.version_info.major}.{sys.version_info.minor}":
        path = Path(getattr(sys, "_base_executable", "") or sys.executable)
    else:
        path = _find(request, tools)
    done = tools.python(path, _DESCRIBE)
    if not done.ok:
        raise failure(EnvReason.INTERPRETER_MISSING, f"{path} does not run: {last_line(done.stderr)}", log=done.log)
    return Interpreter(path=path, **json.loads(done.stdout))


def _find(request: str, tools: Tools) -> Path:
    # pyenv's shims answer for versions that are not switched on, and uv stops at the first that does; the
    # interpreters behind them are good.
    pyenv = Path(tools.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    folders = [part for part in tools.environ.get("PATH", "").split(os.pathsep) if part != str(pyenv / "shims")]
    search = {
        "PATH": os.pathsep.join([*folders, *map(str, sorted(pyenv.glob(f"versions/{request}.*/bin"), reverse=True))])
    }
    found = tools.uv("python", "find", "--no-project", request, timeout=QUICK, extra=search)
    if not found.ok:
        fetched = tools.uv("python", "install", "--no-bin", request)
        if fetched.ok:
            found = tools.uv("python", "find", "--no-project", "--managed-python", request, timeout=QUICK)
        if not found.ok:
            raise failure(
                EnvReason.INTERPRETER_MISSING,
                f"Python {request} is not on this machine and could not be fetched: {last_line(fetched.stderr)}",
                log=f"{found.log}\n{fetched.log}",
            )
    return Path(found.stdout.strip())
