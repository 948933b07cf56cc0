"""A probe in a column's environment: start it, run cells in it under limits, end it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from compatmatrix.errors import InfrastructureError
from compatmatrix.execute.asked import asked, without
from compatmatrix.execute.limits import Limits, Watch
from compatmatrix.execute.pipe import Zygote
from compatmatrix.execute.processes import stopped
from compatmatrix.execute.ready import ProbeStartError, Ready
from compatmatrix.execute.records import RecordError, forget, read_json, read_log, read_record
from compatmatrix.records import Ended, How
from compatmatrix.results import EnvReason

_POLL = 0.1
"""Seconds between two looks at memory and progress of a cell; at 0.05 they were a third of the host's work for it."""
_KILL_SECONDS = 6.0
_SPARE = 4096
_HELD = "it was stopped by a signal"


class Stopped(Exception):  # noqa: N818 - no error: it was asked for
    """A probe was asked to stop while it worked."""


class Probe:
    """A context manager: within it, :meth:`run` runs one cell after another, each in a process of its own.

    Args:
        python: the environment's interpreter.
        probe_dir: the directory of :mod:`compatprobe`.
        scenario_roots: directories of scenarios, the first of which is imported as ``scenarios``.
        workdir: a directory of this probe's own; its content is replaced as cells run.
        isolation: ``fork`` imports once and forks each cell, ``spawn`` starts afresh for each.
        threads: of torch, in each cell.
        virtual_cuda: number of emulated CUDA devices, set up before torch is imported.
        environ: variables added to this process's; secrets and what steers Python are dropped by the probe.
        start_timeout: seconds for the imports.
        stop: once another thread sets it, entering and :meth:`run` raise :class:`Stopped`.
        heard: called every now and then while something is waited for; what it raises ends the run.

    Entering raises :class:`ProbeStartError`. Leaving it, also by an exception or Ctrl-C, ends all processes
    within about a second. One instance serves one thread.
    """

    def __init__(
        self,
        python: Path,
        probe_dir: Path,
        scenario_roots: Sequence[Path],
        workdir: Path,
        *,
        isolation: str = "fork",
        threads: int = 1,
        virtual_cuda: int = 0,
        environ: Mapping[str, str] | None = None,
        start_timeout: float = 300.0,
        stop: threading.Event | None = None,
        heard: Callable[[], None] = lambda: None,
    ) -> None:
        self._command = [str(python), "-I", str(probe_dir), "serve", "--slot", str(workdir)]
        self._command += ["--isolation", isolation, "--threads", str(threads), "--virtual-cuda", str(virtual_cuda)]
        self._command += map(str, scenario_roots)
        self._workdir = workdir
        self._environ = dict(environ or {})
        self._start_timeout = start_timeout
        self._stop = stop or threading.Event()
        self._heard = heard
        self._zygote: Zygote | None = None
        self._ready: Ready | None = None

    def __enter__(self) -> Probe:
        try:
            self._start()
        except BaseException:
            self.close()
            forget(self._workdir)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        forget(self._workdir)

    @property
    def ready(self) -> Ready:
        """What the environment said of itself when it was started (last)."""
        if self._ready is None:
            raise RuntimeError("the probe has not been started")
        return self._ready

    def close(self) -> None:
        """End the zygote and everything below it."""
        if self._zygote is not None:
            self._zygote.close()
            self._zygote = None

    # -- starting

    def _start(self) -> Zygote:
        self._workdir.mkdir(parents=True, exist_ok=True)
        (self._workdir / "ready.json").unlink(missing_ok=True)
        try:
            self._zygote = Zygote(self._command, workdir=self._workdir, log=self._startup_log, env=self._environ)
        except OSError as error:
            raise ProbeStartError(EnvReason.INTERPRETER_MISSING, f"{self._command[0]}: {error.strerror}") from error
        self._wait_for_imports(self._zygote)
        self._ready = self._read_ready()
        return self._zygote

    @property
    def _startup_log(self) -> Path:
        return self._workdir / "zygote.log"

    def _wait_for_imports(self, zygote: Zygote) -> None:
        module = "the libraries"
        deadline = time.monotonic() + self._start_timeout
        while True:
            event = self._event(zygote, deadline)
            if event is None:
                raise self._failure(f"importing {module} took more than {self._start_timeout:g} s", module=module)
            if event["event"] == "importing":
                module = str(event["module"])
            elif event["event"] == "ready":
                return
            else:
                code = int(event.get("code", 0)) or zygote.close()
                raise self._failure(f"the process died ({_status(code)}) while it imported {module}", module=module)

    def _event(self, zygote: Zygote, deadline: float) -> dict[str, Any] | None:
        """The next event until a moment, or None."""
        while True:
            left = deadline - time.monotonic()
            event = zygote.event(min(_POLL, left))
            if event is not None or left <= _POLL:
                return event
            self._look_for_stop()
            self._heard()

    def _look_for_stop(self) -> None:
        if self._stop.is_set():
            raise Stopped

    def _read_ready(self) -> Ready:
        try:
            facts = read_json(self._workdir / "ready.json", 1 << 20)
            error = facts["error"]
            if error is not None:
                message = f"importing {error['module']} failed: {error['type']}: {error['message']}"
                raise self._failure(message, str(error["traceback"]), str(error["module"]))
            return Ready.of(facts)
        except (RecordError, KeyError, TypeError, ValueError) as error:
            raise self._failure(f"ready.json: {error}") from error

    def _failure(self, message: str, traceback: str = "", module: str = "") -> ProbeStartError:
        log = read_log(self._startup_log, 1 << 20)
        return ProbeStartError(EnvReason.IMPORT_FAILED, message, traceback=traceback, log=log, module=module)

    # -- running

    def run(self, cell: str, limits: Limits, needs: Sequence[str] = ()) -> Ended:
        """Run one cell.

        Of its needs, ``env:NAME`` sends it that variable of the host; the value is masked in all that it leaves.
        Raises :class:`ProbeStartError` where a zygote that died cannot be started again, and
        :class:`InfrastructureError` where there is no process for the cell.
        """
        environ = asked(needs, {**os.environ, **self._environ})
        how, event, watch = self._attempt(cell, limits, environ)
        if how == "lost" and not watch.started and self._zygote is None:  # it had died before it was asked
            how, event, watch = self._attempt(cell, limits, environ)
        if not watch.started:
            raise InfrastructureError(
                f"{cell} could not be started: {event.get('message', 'the process that should start it is gone')}",
                hint="run again when the machine has room, memory and processes to spare: what was measured is kept",
            )
        seconds = time.monotonic() - watch.start
        out = self._workdir / "out"
        if not out.is_dir():
            how, event = "lost", {"message": "the directory that it ran in is gone"}
        record, problem = read_record(out / "record.json", cell)
        return Ended(
            how=how,
            number=int(event.get("signal", event.get("code", 0))) if how in ("exited", "signal") else 0,
            seconds=seconds,
            peak_memory=max(watch.peak, record["peak_memory"] if record else 0),
            log=without(read_log(out / "log", limits.log + _SPARE), self._workdir, environ),
            record=without(record, self._workdir, environ),
            record_error=without(str(event.get("message") or problem), self._workdir, environ),
        )

    def _attempt(self, cell: str, limits: Limits, environ: Mapping[str, str]) -> tuple[How, dict[str, Any], Watch]:
        zygote = self._zygote if self._zygote is not None and self._zygote.alive else self._start_again()
        watch = Watch(limits, self._workdir / "out", zygote.pid)
        zygote.send(cell=cell, memory=limits.memory, log=limits.log, environ=dict(environ))
        how, event = self._wait(zygote, watch)
        if event["event"] == "died":
            self.close()
        return how, event, watch

    def _start_again(self) -> Zygote:
        self.close()
        return self._start()

    def _wait(self, zygote: Zygote, watch: Watch) -> tuple[How, dict[str, Any]]:
        """Until the cell has ended, by itself or by a limit."""
        while True:
            event = zygote.event(_POLL)
            if event is None:
                self._look_for_stop()
                self._heard()
                exceeded = watch.exceeded()
                if exceeded is not None:
                    # What was stopped from outside has not hung.
                    held = exceeded in ("timeout", "no-progress") and stopped(zygote.pid)
                    event = self._kill(zygote)
                    return ("lost", {**event, "message": _HELD}) if held else (exceeded, event)
            elif event["event"] == "started":
                watch.started = True
            elif event["event"] == "exited":
                return ("signal" if "signal" in event else "exited"), event
            elif event["event"] in ("died", "refused"):
                return "lost", event

    def _kill(self, zygote: Zygote) -> dict[str, Any]:
        """Have the cell killed; a zygote that does not answer counts as dead."""
        zygote.send(kill=True)
        deadline = time.monotonic() + _KILL_SECONDS
        while time.monotonic() < deadline:
            event = self._event(zygote, deadline)
            if event is not None and event["event"] in ("exited", "died"):
                return event
        return {"event": "died"}


def _status(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"
