"""One column on a worker: what it needs is unpacked into a directory of its own, which goes when it has ended.

The column is run by a process that ends when the worker does, when the task is cancelled, and when the client or the
scheduler goes away: Dask stops no task that has begun, so this one looks whether it is still wanted.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from distributed import Worker, get_worker

from compatmatrix.cluster import content
from compatmatrix.cluster.order import INSTALL, Answer, Facts, Order, mismatch, packed, program, unpacked
from compatmatrix.column_process import ColumnProcess
from compatmatrix.errors import InfrastructureError

_LOOK_SECONDS = 0.2
_RUNNING = ("executing", "long-running")
_LEAVING = ("closing", "closed", "failed")


def facts(dask_worker: Worker) -> Facts:
    """What a worker is and offers; Dask itself gives the argument."""
    return Facts(program=program(), resources=dict(dask_worker.state.total_resources))


def given(data: bytes) -> bytes:
    """A task of its own for what all columns share: kept once, and made again where the worker that has it is lost."""
    return data


def run(order: Order, data: bytes) -> Answer:
    """Run the column that is asked for. Raises :class:`InfrastructureError` where this is not the client's program."""
    began = time.monotonic()
    worker = get_worker()
    where, here, key = str(worker.name), program(), worker.get_current_task()
    if here != order.program:
        raise InfrastructureError(mismatch(f"the worker {where}", here, order.program), hint=INSTALL)
    worker.log_event(order.topic, {"id": order.id, "where": where, "task": str(key)})
    with tempfile.TemporaryDirectory(
        prefix="compatmatrix-", dir=worker.local_directory, ignore_cleanup_errors=True
    ) as name:
        state = Path(name, "state")
        found = content.unpack(data, order.content, Path(name))
        if order.known:
            unpacked(order.known, state)
        arguments = [f"--matrix={found.matrix}", f"--state={state}", *order.arguments]
        arguments += [f"--scenarios={root}" for root in found.roots]
        process = ColumnProcess(order.id, arguments, order.cells)
        with _ended_when(_unwanted(worker, key), process):
            status, output = process.follow()
        seconds = time.monotonic() - began
        return Answer(status=status, output=output, seconds=seconds, where=where, store=packed(state))


def _unwanted(worker: Worker, key: object) -> Callable[[], bool]:
    """Whether nobody waits for a task any more, or its worker leaves."""

    def unwanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state not in _RUNNING or worker.status.name in _LEAVING

    return unwanted


@contextlib.contextmanager
def _ended_when(unwanted: Callable[[], bool], process: ColumnProcess) -> Iterator[None]:
    """Within it the process is ended as soon as it is not wanted, and afterwards in any case."""
    left = threading.Event()

    def look() -> None:
        while not left.wait(_LOOK_SECONDS):
            if unwanted():
                process.end()
                return

    looking = threading.Thread(target=look, name="still-wanted", daemon=True)
    looking.start()
    try:
        yield
    finally:
        left.set()
        process.end()
        looking.join()
