"""A second process for what needs two: it does what the first does, and tells it what it measured."""

import multiprocessing
import os
import traceback
from multiprocessing.connection import Connection
from typing import Any, Callable

from compatprobe import Cell, processes

Work = Callable[[Cell, int], None]


def both(cell: Cell, work: Work) -> None:
    """Run ``work(cell, rank)`` as rank 0 here and as rank 1 in a fork of this process.

    What rank 1 measured is recorded as ``rank 1: <name>``. It is killed where rank 0 ends first, however it ends.

    Raises:
        RuntimeError: rank 1 ended without an answer; with its own words.
    """
    context = multiprocessing.get_context("fork")
    receiving, sending = context.Pipe(duplex=False)
    other = context.Process(target=_second, args=(cell, work, sending, os.getpid()), daemon=True)
    other.start()
    sending.close()
    try:
        work(cell, 0)
        cell.step("wait for rank 1")
        try:
            told = receiving.recv()
        except EOFError as error:
            raise RuntimeError("rank 1 died") from error
    finally:
        other.kill()
        other.join()
    _keep(cell, told)


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
