"""The zygote: it imports the libraries once, then gives each cell a process of its own.

Protocol, one JSON object per line. On stdin, from the host::

    {"cell": "llama/plain[tied]", "memory": 4294967296, "log": 1000000}     run a cell (0: no limit)
    {"kill": true}                                                          end the running cell

A request may have ``"environ": {"HF_TOKEN": "..."}``: variables that this cell asked for. They are set in the cell's
process alone, never in the zygote's environment, and stand in no file that has a name.

On stdout, to the host::

    {"event": "importing", "module": "torch"}       then, when ready.json is there:
    {"event": "ready"}                              or "failed", with the "code" of a process that died importing
    {"event": "started", "pid": 1234}
    {"event": "exited", "code": 0}                  or "signal": 11
    {"event": "refused", "message": "..."}          the cell could not be started

The record, the progress and the log of the cell are files in the slot's ``out`` directory. When the host
closes stdin (also by dying), or on SIGTERM, everything that descends from the zygote is killed at once.

With ``--isolation spawn`` it imports nothing and starts a fresh process for each cell instead of a fork.
"""

import argparse
import contextlib
import gc
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
from typing import Any, Dict, Optional

from compatprobe import child, discover, libraries, pages, processes, roots
from compatprobe.caplog import CappedLog
from compatprobe.settings import Slot, inside
from compatprobe.watch import die_on_hangup

_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_CHUNK = 1 << 16


def serve(arguments: argparse.Namespace) -> None:
    """The command ``serve``; ends the process."""
    requests, events = os.dup(0), os.dup(1)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)  # nobody but this module reads requests
    os.dup2(2, 1)  # and what libraries print is no event
    os.close(null)
    isolation = arguments.isolation if hasattr(os, "fork") else "spawn"
    options = child.Options(
        os.path.abspath(arguments.slot),
        [os.path.abspath(root) for root in arguments.roots],
        arguments.threads,
        arguments.virtual_cuda,
    )
    zygote = Zygote(options, isolation, requests, events)
    zygote.prepare()
    zygote.loop()
    zygote.stop()


class Zygote:
    """One cell at a time; everything it waits for is a file descriptor."""

    def __init__(self, options: child.Options, isolation: str, requests: int, events: int) -> None:
        self.options = options
        self.slot = Slot(options.slot)
        self.isolation = isolation
        self.requests = requests
        self.events = events
        self.pid: Optional[int] = None
        self._buffer = b""
        self._log: Optional[CappedLog] = None
        self._output = -1
        self._wakeup = -1
        self._open = True
        self._selector = selectors.DefaultSelector()

    def prepare(self) -> None:
        """Import the libraries (in a process of their own for ``spawn``), write ``ready.json`` and say so."""
        os.environ.update(inside(self.slot, self.options.threads))
        self.slot.prepare()
        with die_on_hangup(self.requests):
            if self.isolation == "fork":
                facts = libraries.load(*self.options[2:], self.options.roots, self._importing)
                libraries.write_facts(self.slot, facts)
            else:
                shared = ("--threads", str(self.options.threads), "--virtual-cuda", str(self.options.virtual_cuda))
                asked = self._command("facts", "--slot", self.options.slot, *shared, *self.options.roots)
                done = subprocess.run(asked, check=False)
                if done.returncode:
                    return self._say(event="failed", code=done.returncode)
        processes.adopt_orphans()
        if self.isolation == "fork":
            with contextlib.suppress(Exception):  # whatever it is, the cells meet it again
                discover.families(tuple(roots.names(self.options.roots).items()))
            gc.freeze()  # a collection in a child would copy the pages of every object imported here
            pages.collapse()
        return self._say(event="ready")

    def loop(self) -> None:
        """Serve requests until the host is gone or says stop."""
        wakeup, wake = os.pipe()
        for end in (wakeup, wake):
            os.set_blocking(end, False)
        self._wakeup = wakeup
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        for number in (*_STOPS, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        self._selector.register(self.requests, selectors.EVENT_READ, self._read_requests)
        self._selector.register(wakeup, selectors.EVENT_READ, self._woken)
        while self._open:
            for key, _ in self._selector.select():
                key.data()

    def stop(self) -> None:
        """Kill everything and end this process."""
        processes.kill_children()
        if self._log is not None:
            self._drain()
            self._log.finish()
        os._exit(0)

    # -- what can happen

    def _read_requests(self) -> None:
        data = os.read(self.requests, _CHUNK)
        if not data:
            self._open = False
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            request = json.loads(line)
            if request.get("kill"):
                if self.pid is not None:
                    processes.kill_children()
                    self._ended(-signal.SIGKILL)
            else:
                self._start(request)

    def _woken(self) -> None:
        try:
            caught = os.read(self._wakeup, _CHUNK)
        except BlockingIOError:
            return
        if any(number in _STOPS for number in caught):
            self._open = False
            return
        status = processes.reap().get(self.pid or 0)
        if status is not None:
            self._ended(-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))

    def _printed(self) -> None:
        assert self._log is not None  # noqa: S101 - registered together
        try:
            data = os.read(self._output, _CHUNK)
        except BlockingIOError:
            return
        if data:
            self._log.write(data)
        else:
            self._selector.unregister(self._output)

    # -- a cell's life

    def _start(self, request: Dict[str, Any]) -> None:
        if self.pid is not None:
            return self._say(event="refused", message="a cell is running")
        try:
            self.slot.prepare()
            self._log = CappedLog(self.slot.log, int(request.get("log") or 1 << 20))
            self._output, printing = os.pipe()
            os.set_blocking(self._output, False)
            environ = {str(name): str(value) for name, value in (request.get("environ") or {}).items()}
            asked = child.Request(str(request["cell"]), int(request.get("memory") or 0), environ)
            self.pid = self._fork(asked, printing) if self.isolation == "fork" else self._spawn(asked, printing)
            os.close(printing)
        except (OSError, KeyError, ValueError) as error:
            return self._say(event="refused", message="{}: {}".format(type(error).__name__, error))
        self._selector.register(self._output, selectors.EVENT_READ, self._printed)
        return self._say(event="started", pid=self.pid)

    def _fork(self, request: child.Request, printing: int) -> int:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            return pid
        try:
            signal.set_wakeup_fd(-1)
            for number in (*_STOPS, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            os.setsid()
            processes.die_with(parent)
            os.dup2(printing, 1)
            os.dup2(printing, 2)
            self._selector.close()
            for unneeded in (self.requests, self.events, self._wakeup, self._output, printing):
                os.close(unneeded)
            child.main(self.options, request, self.slot)
        finally:
            os._exit(70)

    def _spawn(self, request: child.Request, printing: int) -> int:
        asked = dict(self.options._asdict(), **request._asdict(), parent=os.getpid())
        asked["environ"] = bool(request.environ)
        self.slot.request.write_text(json.dumps(asked), encoding="utf-8")
        command = self._command("cell", str(self.slot.request))
        with tempfile.TemporaryFile() as variables:  # no pipe: it would hold up the zygote if it were full
            variables.write(json.dumps(request.environ).encode("ascii") if request.environ else b"")
            variables.seek(0)
            process = subprocess.Popen(
                command, stdin=variables, stdout=printing, stderr=printing, start_new_session=True
            )
        process.returncode = 0  # it is reaped here, not by its object
        return process.pid

    @staticmethod
    def _command(*arguments: str) -> "list[str]":
        return [sys.executable, "-I", str(roots.PROBE), *arguments]

    def _ended(self, code: int) -> None:
        """Kill what the cell left behind, keep its last words, and tell the host."""
        left = processes.kill_children()
        self._drain()
        assert self._log is not None  # noqa: S101 - a cell was running
        if left:
            self._log.write("\n[killed what was still running: processes: {}]\n".format(left).encode())
        self._log.finish()
        self._log = None
        self.pid = None
        if self._output in self._selector.get_map():
            self._selector.unregister(self._output)
        os.close(self._output)
        self._say(event="exited", **({"signal": -code} if code < 0 else {"code": code}))

    def _drain(self) -> None:
        assert self._log is not None  # noqa: S101 - a cell was running
        while True:
            try:
                data = os.read(self._output, _CHUNK)
            except BlockingIOError:
                return
            if not data:
                return
            self._log.write(data)

    def _importing(self, module: str) -> None:
        self._say(event="importing", module=module)

    def _say(self, **event: Any) -> None:
        try:
            os.write(self.events, json.dumps(event).encode() + b"\n")
        except OSError:
            self._open = False  # nobody listens any more
