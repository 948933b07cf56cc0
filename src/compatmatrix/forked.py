"""A function that is called in a process beside this one: what it gives is there when this one has done something else.

The process is forked: it begins with all that this one knows, and nothing need be sent to it.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import signal
import warnings
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final, TypeVar

import psutil

from compatmatrix.machine import free, processors

_T = TypeVar("_T")
_ASKED = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM") if hasattr(signal, name)]
_FORK: Final = "fork"


@contextlib.contextmanager
def forked(make: Callable[[], _T]) -> Iterator[Callable[[], _T]]:
    """Begin to make something beside what is done within; what waits for it, and gives it.

    Where that fails, for whatever reason, or where there is one processor, no fork or little memory, it is made by the
    one who waits: what goes wrong then is raised where it can be told. On leaving, the process has ended; and it ends
    soon where this one was killed, because nobody can read then what it has made.
    """
    if not _can_fork():
        yield make
        return
    process, receiver = None, None

    def wait() -> _T:
        if receiver is not None:
            with contextlib.suppress(EOFError, OSError):
                found: _T = receiver.recv()
                return found
        return make()

    # From here to where it would be ended: an interrupt must not come between.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _ASKED)
    try:
        process, receiver = _begin(make, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        yield wait
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if receiver is not None:
            receiver.close()
        if process is not None:
            process.kill()
            process.join()


def _can_fork() -> bool:
    """Whether there is a fork, a processor for it, and memory: what both have is copied where one of them writes."""
    if processors() < 2 or _FORK not in multiprocessing.get_all_start_methods():
        return False
    return free() > 2 * int(psutil.Process().memory_info().rss)


def _begin(make: Callable[[], object], mask: Iterable[int]) -> tuple[BaseProcess | None, Connection | None]:
    context = multiprocessing.get_context(_FORK)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(make, sender, receiver, mask), daemon=True)
    try:
        with warnings.catch_warnings():
            # Libraries for numbers have threads, which Python warns of: nothing here waits for one of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
    except OSError:  # no process, no memory
        receiver.close()
        return None, None
    finally:
        sender.close()
    return process, receiver


def _send(make: Callable[[], object], sender: Connection, receiver: Connection, mask: Iterable[int]) -> None:
    receiver.close()  # as long as one reader is there, writing waits for it
    for number in _ASKED:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits is interrupted, and ends this process
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    gc.disable()  # a collection would copy the memory that both have
    with contextlib.suppress(Exception):
        sender.send(make())
