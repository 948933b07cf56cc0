"""One trial: a copy of the project, the real command in a process of its own, and a hand on it at a chosen moment."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import psutil

from compatmatrix.execute.processes import _is_marked
from tests.chaos.world import World

#: Kept by the probe in the environment of what it starts, so that every process of a trial can be told.
MARK = "COMPATPROBE_CHAOS"
#: Seconds: no run of the tiny matrix may take longer, whatever happens to it.
PATIENCE = 90.0


class Impossible(Exception):
    """This machine cannot be made to have the fault, and why."""


class Ended:
    """How a run ended: its exit status, what it printed, and the signal that it was sent, if any."""

    def __init__(self, status: int | None, out: str, err: str, run: Running) -> None:
        self.status, self.out, self.err = status, out, err
        self.sent, self.answers, self.unheard = run.sent, run.answers, run.unheard
        #: What it still printed after the signal.
        self.went_on = "".join(out.splitlines(keepends=True)[run.lines :])

    def __str__(self) -> str:
        sent = f" after {self.sent.name}" if self.sent else ""
        status = "no end" if self.status is None else f"status {self.status}"
        return f"{status}{sent}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


class Running:
    """The command at work; its lines are read as they come."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.sent: signal.Signals | None = None
        self.lines = 0
        #: Exit statuses that are an answer as good as that of the undisturbed run.
        self.answers: tuple[int, ...] = ()
        self.unheard = False
        self._texts: dict[str, list[str]] = {"out": [], "err": []}
        self._news = threading.Condition()
        streams = {"out": process.stdout, "err": process.stderr}
        self._threads = [threading.Thread(target=self._read, args=(name, stream)) for name, stream in streams.items()]
        for thread in self._threads:
            thread.start()

    def _read(self, name: str, stream: IO[str]) -> None:
        for line in stream:
            with self._news:
                self._texts[name].append(line)
                self._news.notify_all()
            if self.unheard and name == "out":
                break
        stream.close()
        with self._news:
            self._news.notify_all()

    def until(self, words: str, seconds: float = PATIENCE) -> bool:
        """Wait for a line with these words; False where the run ends without one."""
        deadline = time.monotonic() + seconds
        with self._news:
            while not any(words in line for line in self._texts["out"]):
                if self.process.poll() is not None or time.monotonic() > deadline:
                    return any(words in line for line in self._texts["out"])
                self._news.wait(0.05)
        return True

    def send(self, number: signal.Signals, *, group: bool = False) -> bool:
        """Send a signal to the host alone, or to its whole process group as a terminal does; False where it is gone."""
        if self.process.poll() is not None:
            return False
        self.sent, self.lines = number, len(self._texts["out"])
        (os.killpg if group else os.kill)(self.process.pid, number)
        return True

    def stop_reading(self) -> None:
        """Close the pipe that it prints to, after the next line."""
        self.unheard = True

    def end(self) -> Ended:
        """Wait for its end; a run that has none is killed."""
        status: int | None
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            status = None
        for thread in self._threads:
            thread.join(5)
        return Ended(status, "".join(self._texts["out"]), "".join(self._texts["err"]), self)


class Trial:
    """A project of its own, and the means to disturb a run in it.

    ``heal`` undoes what is left of the fault before the plain command is run again, ``close`` what outlives even that.
    """

    def __init__(self, world: World, base: str, directory: Path, dice: random.Random) -> None:
        self.world, self.base, self.dice = world, base, dice
        self.directory = directory
        self.project = world.copy(base, directory)
        self.environ = {**self.project.environ, MARK: str(directory)}
        self.runs: list[Running] = []
        self.heal = contextlib.ExitStack()
        self.close = contextlib.ExitStack()
        self.struck = False
        #: What a run that did not simply go through has to say, one of these.
        self.tells: tuple[str, ...] = ()
        #: The store, or what was in it, is lost by the fault: everything may be measured again.
        self.store_lost = False
        #: What is published is damaged by the fault itself, until the next run.
        self.reports_damaged = False
        #: Cells that are of the fault's own making, and judged by it.
        self.own_cells: Callable[[str, str], str] | None = None

    @property
    def state(self) -> Path:
        return self.directory / ".compatmatrix"

    @property
    def reports(self) -> Path:
        return self.directory / "reports"

    def start(self, *command: str) -> Running:
        """Start a command (the world's where none is given) and keep it."""
        process = subprocess.Popen(
            [sys.executable, "-m", *(command or self.world.command)],
            cwd=self.directory,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_as_in_a_terminal,  # noqa: PLW1509 - a system call each
        )
        self.runs.append(Running(process))
        return self.runs[-1]

    def endings(self) -> list[Ended]:
        return [run.end() for run in self.runs]

    def processes(self) -> list[psutil.Process]:
        """Every process that this trial brought about and that still runs."""
        return [each for each in psutil.process_iter() if _is_marked(each, MARK, str(self.directory))]

    def probe(self, host: Running, *, child: bool) -> psutil.Process | None:
        """The zygote below a host, or the cell's process below that."""
        with contextlib.suppress(psutil.Error):
            for zygote in psutil.Process(host.process.pid).children():
                if "serve" in zygote.cmdline():
                    return next(iter(zygote.children()), None) if child else zygote
        return None

    def pause(self, most: float) -> None:
        """Wait for a moment that the dice choose, of at most so many seconds."""
        time.sleep(self.dice.uniform(0, most))


def _as_in_a_terminal() -> None:
    """Signals mean what they mean there, also where the campaign is run in the background or under nohup."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


@contextlib.contextmanager
def nothing_left(trial: Trial) -> Iterator[None]:
    """Kill whatever a trial leaves behind, so that no trial disturbs the next."""
    try:
        yield
    finally:
        for run in trial.runs:
            if run.process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(run.process.pid, signal.SIGKILL)
            run.end()
        for process in trial.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        trial.heal.close()
        trial.close.close()
