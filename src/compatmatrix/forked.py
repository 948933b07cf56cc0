"""A function that is called in a process beside this one: what it gives is there when this one has done something else.

The process is forked: it begins with all that this one knows, and nothing need be sent to it.
"""

from __future__ import annotations

import contextlib
import gc
import multiprocessing
import signal
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from typing import Final, TypeVar

from compatmatrix.machine import processors

_T = TypeVar("_T")
_FORK: Final = "fork"


@contextlib.contextmanager
def forked(make: Callable[[], _T]) -> Iterator[Callable[[], _T]]:
    """Begin to make something beside what is done within; what waits for it, and gives it.

    Where that fails, for whatever reason, or where there is one processor, or no fork, it is made by the one who waits:
    what goes wrong then is raised where it can be told. On leaving, the process has ended.
    """
    process, receiver = _begin(make) if processors() > 1 and _FORK in multiprocessing.get_all_start_methods() else _NONE

    def wait() -> _T:
        if receiver is not None:
            with contextlib.suppress(EOFError, OSError):
                found: _T = receiver.recv()
                return found
        return make()

    try:
        yield wait
    finally:
        if receiver is not None:
            receiver.close()
        if process is not None:
            process.kill()
            process.join()


_Begun = tuple["multiprocessing.context.ForkProcess | None", "Connection | None"]
_NONE: _Begun = (None, None)


def _begin(make: Callable[[], object]) -> _Begun:
    context = multiprocessing.get_context(_FORK)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send, args=(make, sender), daemon=True)
    try:
        with warnings.catch_warnings():
            # Libraries for numbers have threads, which Python warns of: nothing here waits for one of them.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
    except OSError:  # no process, no memory
        receiver.close()
        return _NONE
    finally:
        sender.close()
    return process, receiver


def _send(make: Callable[[], object], sender: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever waits is interrupted, and ends this process
    gc.disable()  # a collection would copy the memory that both have
    with contextlib.suppress(Exception):
        sender.send(make())
