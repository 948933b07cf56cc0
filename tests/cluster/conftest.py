"""A real scheduler and real workers on loopback, beside the mini project; nothing outlives a test."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import Project, index, project

__all__ = ["index", "project"]


HOLD = """\
import time
from pathlib import Path

from compatprobe import Cell, scenario


@scenario(title="waits until it is let go", timeout=600)
def hold(cell: Cell) -> None:
    \"\"\"It says where it is at work.\"\"\"
    here = Path({folder!r})
    here.joinpath("held").write_text(str(cell.directory))
    while not here.joinpath("let-go").exists():
        time.sleep(0.05)
        cell.step("waiting")
    cell.check("value", 0, 0)
"""


class Hold:
    """A scenario beside the tiny ones that is at work until it is let go, so that no test has to guess when."""

    def __init__(self, project: Project, folder: Path) -> None:
        self._folder = folder
        (project.directory / "scenarios" / "tiny" / "hold.py").write_text(HOLD.format(folder=str(folder)))

    def wait(self) -> str:
        """Until it is at work: the directory that it works in."""
        file = self._folder / "held"
        wait_for(lambda: file.exists() and file.read_text())
        return file.read_text()

    def let_go(self) -> None:
        (self._folder / "let-go").touch()


class Cluster:
    """Starts ``dask scheduler`` and ``dask worker`` as anybody would; each is the leader of its process group."""

    def __init__(self, directory: Path, environ: dict[str, str]) -> None:
        self.directory, self.environ = directory, dict(environ)
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.clients: list[subprocess.Popen[str]] = []
        self.address = ""

    def start(self) -> None:
        file = self.directory / "scheduler.json"
        self._run("scheduler", "dask_scheduler", "--port", "0", f"--scheduler-file={file}", "--dashboard-address=:0")
        wait_for(file.exists)
        self.address = json.loads(file.read_text())["address"]

    def worker(self, name: str, *options: str, nanny: bool = False, **environ: str) -> None:
        """Start a worker of one thread; it has joined when this returns."""
        options += ("--nanny" if nanny else "--no-nanny", f"--local-directory={self.directory / name}")
        self._run(name, "dask_worker", self.address, "--nthreads=1", f"--name={name}", *options, **environ)
        wait_for(lambda: "Registered to" in self.log(name))

    def client(self, project: Project, *command: str) -> subprocess.Popen[str]:
        """A command on this cluster, while it runs."""
        process = project.start("compatmatrix", *command, "--executor", "dask", "--scheduler", self.address)
        self.clients.append(process)
        return process

    def _run(self, name: str, module: str, *arguments: str, **environ: str) -> None:
        command = [sys.executable, "-m", f"distributed.cli.{module}", "--host=127.0.0.1", "--no-dashboard", *arguments]
        with (self.directory / f"{name}.log").open("wb") as log:
            self.processes[name] = subprocess.Popen(
                command,
                env=self.environ | environ,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def kill(self, name: str) -> None:
        """Power off: the worker, its nanny and all of their group at once."""
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def columns(self) -> list[str]:
        """What still runs of columns that workers began: their processes work below the workers' directories."""
        found = []
        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or ())
            if str(self.directory) in line and "compat" in line and process.status() != psutil.STATUS_ZOMBIE:
                found.append(line)
        return [line for line in found if "distributed.cli" not in line]

    def left(self) -> list[Path]:
        """What columns have left on the workers' disks."""
        return list(self.directory.glob("*/dask-scratch-space*/*/compatmatrix-*"))

    def stop(self) -> None:
        for process in self.clients:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for name in list(self.processes):
            self.kill(name)


def wait_for(what: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


@pytest.fixture
def hold(tmp_path: Path, project: Project) -> Hold:
    return Hold(project, tmp_path)


@pytest.fixture
def cluster(tmp_path: Path, project: Project) -> Iterator[Cluster]:
    """A scheduler without workers."""
    directory = tmp_path / "cluster"
    directory.mkdir()
    found = Cluster(directory, project.environ)
    try:
        found.start()
        yield found
    finally:
        found.stop()
