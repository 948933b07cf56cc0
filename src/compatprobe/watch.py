"""Ends a process that is busy importing when the other end of a pipe goes away."""

import contextlib
import fcntl
import os
import signal
from typing import Iterator


@contextlib.contextmanager
def die_on_hangup(pipe: int) -> Iterator[None]:
    """While entered, the process dies when the pipe's writer is gone, even inside C code.

    Importing torch takes seconds, may hang, and looks at no pipe. The kernel is asked to send SIGIO about it
    instead, whose default action is to end the process. Nothing else may be written to the pipe meanwhile.
    """
    flags = fcntl.fcntl(pipe, fcntl.F_GETFL)
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    try:
        fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(pipe, fcntl.F_SETFL, flags | getattr(os, "O_ASYNC", fcntl.FASYNC))
    except OSError:
        pass  # not a pipe: started by hand
    try:
        yield
    finally:
        fcntl.fcntl(pipe, fcntl.F_SETFL, flags)
