"""The zygote's process as the host sees it: requests in, events out."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from compatmatrix.execute.processes import kill_marked

MARK = "COMPATPROBE_MARK"


class Zygote:
    """A running zygote, in a session of its own; raises ``OSError`` where it cannot be started."""

    def __init__(self, command: Sequence[str], *, workdir: Path, log: Path, env: Mapping[str, str]) -> None:
        self._mark = uuid.uuid4().hex
        self._buffer = b""
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                cwd=workdir,
                env={**os.environ, **env, MARK: self._mark},
                start_new_session=True,
                bufsize=0,
            )
        self.pid = self._process.pid
        self._stdin = cast(IO[bytes], self._process.stdin)
        self._stdout = cast(IO[bytes], self._process.stdout)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def send(self, **request: Any) -> None:
        """Ask for something; where the zygote is dead, the next event says so."""
        with suppress(BrokenPipeError):
            self._stdin.write(json.dumps(request).encode() + b"\n")

    def event(self, seconds: float) -> dict[str, Any] | None:
        """The next event within so many seconds, or None; ``{"event": "died"}`` where the zygote is gone."""
        descriptor = self._stdout.fileno()
        deadline = time.monotonic() + seconds
        while b"\n" not in self._buffer:
            left = max(deadline - time.monotonic(), 0)
            if not select.select([descriptor], [], [], left)[0]:
                return None
            data = os.read(descriptor, 1 << 16)
            if not data:
                return {"event": "died"}
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            event = json.loads(line)
        except ValueError:
            return {"event": "died"}
        return event if isinstance(event, dict) else {"event": "died"}

    def close(self, patience: float = 0.7) -> int:
        """End it and everything below it, within about a second; its exit status, negative for a signal.

        A zygote whose stdin is closed kills its descendants and exits. One that does not is killed, and what
        it leaves is found by its mark.
        """
        asked = self.alive
        with suppress(BrokenPipeError):
            self._stdin.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        code = self._process.wait()
        if not asked or code != 0:
            kill_marked(MARK, self._mark)
        self._stdout.close()
        return code
