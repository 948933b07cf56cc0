"""Signals that ask for an end are never lost, and the status stays what it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

BEGIN = """
import os, signal, sys, time
from compatmatrix.cli import ending
from compatmatrix.errors import Exit
me = os.getpid()
ending.listen()
try:
"""
END = """
    time.sleep(20)
except KeyboardInterrupt:
    ending.no_more_signals()
    os.kill(me, signal.SIGINT)
    ending.tell("told")
    ending.leave(Exit.INTERRUPTED)
"""
PLAIN = "    os.kill(me, signal.{})\n"
#: Python prints "Exception ignored in" and goes on.
IN_A_DESTRUCTOR = """
    class Gone:
        def __del__(self):
            os.kill(me, signal.SIGTERM)
            len(str(self))
    Gone()
"""
#: Python would end itself by SIGINT later, although the interrupt is caught.
IN_SOURCE_TEXT = "    exec('os.kill(me, signal.SIGINT)\\nlen(str(me))')\n"


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals of POSIX")
@pytest.mark.parametrize(
    "how", [*(PLAIN.format(name) for name in ("SIGINT", "SIGTERM", "SIGHUP")), IN_A_DESTRUCTOR, IN_SOURCE_TEXT]
)
def test_an_interrupt_ends_the_program_with_its_own_status_wherever_it_comes(how: str) -> None:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + how + END], env=environ, capture_output=True, text=True, timeout=15, check=False
    )
    assert (done.returncode, done.stderr) == (130, "told\n")


def test_who_stops_reading_is_no_success() -> None:
    command = [sys.executable, "-m", "compatmatrix", "schema", "run"]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        command, env=environ, stdout=write, stderr=subprocess.PIPE, text=True, timeout=60, check=False
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (130, "")
