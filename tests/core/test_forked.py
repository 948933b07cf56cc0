"""What is made in a process beside this one is there, or is made here; no process is left."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from compatmatrix import forked as module
from compatmatrix.forked import forked

HERE = os.getpid()


@pytest.fixture(autouse=True)
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "processors", lambda: 2)
    monkeypatch.setattr(module, "free", lambda: 1 << 60)


def where() -> tuple[int, bytes]:
    return os.getpid(), b"x" * (1 << 21)  # more than a pipe holds


def children() -> int:
    return len(psutil.Process().children())


def test_it_is_made_beside_what_is_done_meanwhile() -> None:
    before = children()
    with forked(where) as wait:
        made = wait()
    assert made[0] != HERE and len(made[1]) == 1 << 21
    assert children() == before


def raises() -> tuple[int, bytes]:
    raise ValueError(os.getpid())


def test_what_goes_wrong_is_raised_here() -> None:
    with pytest.raises(ValueError, match=f"^{HERE}$"), forked(raises) as wait:
        wait()


def dies() -> tuple[int, bytes]:
    if os.getpid() != HERE:
        os.kill(os.getpid(), signal.SIGKILL)
    return where()


def cannot_be_sent() -> tuple[int, object]:
    return os.getpid(), lambda: None


@pytest.mark.parametrize("make", [dies, cannot_be_sent])
def test_what_cannot_be_had_from_there_is_made_here(make: Callable[[], tuple[int, object]]) -> None:
    with forked(make) as wait:
        assert wait()[0] == HERE


def test_where_there_is_no_process_for_it_it_is_made_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError("no process")

    monkeypatch.setattr(os, "fork", refused)
    with forked(where) as wait:
        assert wait()[0] == HERE


@pytest.mark.parametrize("lacking", ["processor", "fork", "memory"])
def test_alone_it_is_made_here(monkeypatch: pytest.MonkeyPatch, lacking: str) -> None:
    if lacking == "processor":
        monkeypatch.setattr(module, "processors", lambda: 1)
    elif lacking == "memory":
        monkeypatch.setattr(module, "free", lambda: 0)
    else:
        monkeypatch.setattr(multiprocessing, "get_all_start_methods", lambda: ["spawn"])
    before = children()
    with forked(where) as wait:
        assert children() == before
        assert wait()[0] == HERE


def test_who_is_interrupted_leaves_no_process() -> None:
    before = children()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt), forked(lambda: time.sleep(60)):
        assert children() == before + 1
        raise KeyboardInterrupt
    assert children() == before
    assert time.monotonic() - began < 10


KILLED = """
import os, signal
from pathlib import Path
from compatmatrix import forked as module

module.processors = lambda: 2
module.free = lambda: 1 << 60


def make() -> bytes:
    Path("beside").write_text(str(os.getpid()))
    return b"x" * (1 << 21)


with module.forked(make):
    while not (Path("beside").exists() and Path("beside").read_text()):
        pass
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_who_is_killed_leaves_no_process(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, check=False, timeout=60)
    assert done.returncode == -signal.SIGKILL
    pid = int((tmp_path / "beside").read_text())
    deadline = time.monotonic() + 10
    while (alive := psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE) and (
        time.monotonic() < deadline
    ):
        time.sleep(0.05)
    if alive:
        os.kill(pid, signal.SIGKILL)
    assert not alive, "it waited for somebody to read"
