"""Other programs: stopped in time, with all that they started; found or missed with a reason."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from compatmatrix.errors import EnvironmentFailure
from compatmatrix.results import EnvReason
from compatmatrix.tools import Completed, Subprocesses, last_line
from compatmatrix.uvtool import Tools, diagnose, interpreter

GRANDCHILD = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"


def test_a_program_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    started = time.monotonic()
    done = Subprocesses().run([sys.executable, "-c", GRANDCHILD], environ=os.environ, cwd=tmp_path, timeout=0.5)
    # The grandchild holds the pipes: had it lived, reading them would have taken its minute.
    assert time.monotonic() - started < 20
    assert (done.timed_out, done.ok) == (True, False)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl")
def test_a_program_does_not_outlive_a_host_that_is_killed(tmp_path: Path) -> None:
    code = "import os, time; print(os.getpid(), file=open('pid', 'w'), flush=True); time.sleep(60)"
    host = (
        "import os, sys; from pathlib import Path; from compatmatrix.tools import Subprocesses;"
        f"Subprocesses().run([sys.executable, '-c', {code!r}], environ=os.environ, cwd=Path('.'), timeout=60)"
    )
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    with subprocess.Popen([sys.executable, "-c", host], cwd=tmp_path, env=environ) as process:
        pid = tmp_path / "pid"
        while not (pid.exists() and pid.read_text().strip()):
            time.sleep(0.02)
        process.kill()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(int(pid.read_text())) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not psutil.pid_exists(int(pid.read_text()))


def test_the_callers_environment_does_not_leak(tmp_path: Path) -> None:
    environ = {"PYTHONPATH": "/nowhere", "VIRTUAL_ENV": "/nowhere", "KEPT": "1"}
    code = "import os; print(sorted(set(os.environ) & {'PYTHONPATH', 'VIRTUAL_ENV', 'KEPT'}))"
    done = Subprocesses().run([sys.executable, "-c", code], environ=environ, cwd=tmp_path, timeout=60)
    assert done.stdout.strip() == "['KEPT']"


def test_a_missing_tool_and_a_missing_python(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure) as caught:
        Subprocesses().find("no-such-tool")
    assert caught.value.reason == "tool-missing"
    environ = {
        "PATH": str(tmp_path),
        "HOME": str(tmp_path),
        "PYENV_ROOT": str(tmp_path),
        "UV_PYTHON_DOWNLOADS": "never",
    }
    environ |= {
        "UV_CACHE_DIR": str(tmp_path / "cache"),
        "UV_PYTHON_INSTALL_DIR": str(tmp_path / "python"),
        "UV_OFFLINE": "1",
    }
    with pytest.raises(EnvironmentFailure) as caught:
        interpreter("3.99", Tools(runner=Subprocesses(), environ=environ))
    assert caught.value.reason == "interpreter-missing"


def test_the_line_that_says_most() -> None:
    assert last_line("warning: x\nfatal: no host\nmore") == "fatal: no host"
    assert last_line("error: failed\n  cause: outer\n  cause: dns error\nhint: try this") == "dns error"
    assert last_line("") == "no message"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("error: failed\n  cause: No space left on device (os error 28)", EnvReason.DISK_FULL),
        ("  cause: The build backend returned an error\n  Could not resolve host: example.org", EnvReason.BUILD_FAILED),
        ("fatal: unable to access 'https://x/': Could not resolve host: x", EnvReason.UNREACHABLE),
        ("  cause: Because there is no version of\n  transformers==9 and you require it", EnvReason.NO_SUCH_RELEASE),
        ("error: No solution found\n  cause: Because there is no version of torch==9", EnvReason.CONFLICT),
        ("something else", EnvReason.INSTALL_FAILED),
    ],
)
def test_what_uv_s_words_mean(text: str, reason: EnvReason) -> None:
    assert diagnose(Completed(code=1, stdout="", stderr=text), EnvReason.INSTALL_FAILED) is reason
