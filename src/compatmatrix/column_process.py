"""A column as a process of its own: started, listened to, ended. It never outlives the process that started it.

``stdin`` is a leash: nothing is ever written to it. When it is closed, because this side lets go or died by
``kill -9``, the other side ends as by Ctrl-C (:mod:`compatmatrix.child`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping

from compatmatrix.errors import Exit

GRACE_SECONDS = 5.0
"""What a process that was let go may take, before it kills what it started and itself."""
_KEPT_LINES = 20
_MARGIN_SECONDS = 2.0


class ColumnProcess:
    """``compatmatrix column`` in a session of its own; raises ``OSError`` where it cannot be started.

    ``arguments`` name every root of scenarios: it looks for no other.

    :meth:`follow` is for the thread that started it; :meth:`let_go` and :meth:`end` are for any.
    """

    def __init__(
        self, id: str, arguments: Iterable[str], cells: Iterable[str] = (), environ: Mapping[str, str] | None = None
    ) -> None:
        chosen = [f"--cells={cell}" for cell in cells]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "compatmatrix.child", "column", id, *arguments, *chosen],
            env=None if environ is None else dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )

    def follow(self, heard: Callable[[str], None] = lambda _: None) -> tuple[Exit, str]:
        """Listen until it has ended: its exit status, and the last lines that it printed.

        A death by a signal, or any status that is none of :class:`Exit`, is a defect.
        """
        lines: list[str] = []
        for line in self._process.stdout or ():
            lines = [*lines[-_KEPT_LINES:], line.rstrip()]
            heard(lines[-1])
        status = self._process.wait()
        self.let_go()
        known = {each.value for each in Exit}
        return (Exit(status) if status in known else Exit.DEFECT), "\n".join(lines)

    def let_go(self) -> None:
        """Have it end by itself, all that it started before it; returns at once."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def end(self) -> None:
        """Let go, wait until it has ended, and kill what does not."""
        self.let_go()
        try:
            self._process.wait(timeout=GRACE_SECONDS + _MARGIN_SECONDS)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
