"""A second process for what needs two: it does what the first does, and tells it what it measured."""

import multiprocessing
import os
import traceback
from multiprocessing.connection import Connection
from typing import Any, Callable

from compatprobe import Cell, processes

#: Seconds that rank 1 has to tell why it failed once rank 0 has.
_A_MOMENT = 1
Work = Callable[[Cell, int], None]


def both(cell: Cell, work: Work) -> None:
    """Run ``work(cell, rank)`` as rank 0 here and as rank 1 in a fork of this process.

    What rank 1 measured is recorded as ``rank 1: <name>``. It is killed where rank 0 ends first, however it ends.

    Raises:
        RuntimeError: rank 1 raised, in its own words, whatever rank 0 raised then; or it ended without an answer.
    """
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    other = context.Process(target=_second, args=(cell, work, sending, os.getpid()), daemon=True)
    other.start()
    sending.close()
    try:
        try:
            work(cell, 0)
        except BaseException as error:
            # Often rank 0 only tells that the other is gone.
            told = _received(receiving) if receiving.poll(_A_MOMENT) else None
            if told and told["error"]:
                raise RuntimeError(f"rank 1: {told['error']}") from error
            raise
        cell.step("wait for rank 1")
        told = _received(receiving)
        if told is None:
            raise RuntimeError("rank 1 died")
    finally:
        other.kill()
        other.join()
    _keep(cell, told)


def _received(receiving: Connection) -> Any:
    """What rank 1 measured; None where it ended without a word."""
    try:
        return receiving.recv()
    except EOFError:
        return None


def _second(cell: Cell, work: Work, sending: Connection, parent: int) -> None:
    processes.die_with(parent)
    own = Cell(cell.id, cell.directory)
    error = ""
    try:
        work(own, 1)
    except BaseException as caught:
        traceback.print_exc()
        error = f"{type(caught).__name__}: {caught}"
    sending.send({"checks": own.checks, "fingerprint": own.fingerprint, "answered": own.answered, "error": error})


def _keep(cell: Cell, told: Any) -> None:
    for check in told["checks"]:
        cell.check(f"rank 1: {check['name']}", check["measured"], check["limit"], check["detail"])
    cell.fact("rank 1", told["fingerprint"])
    cell.answered = cell.answered or told["answered"]
    if told["error"]:
        raise RuntimeError(f"rank 1: {told['error']}")
