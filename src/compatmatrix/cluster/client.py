"""The executor on this side of a Dask cluster: columns are handed over, and what comes back is merged into the store.

Dask runs a column again, on another worker, where the one that had it is lost. Whatever comes back, once or twice,
goes the way of every column that was run elsewhere: :mod:`compatmatrix.merge`, which keeps each result once.
"""

from __future__ import annotations

import contextlib
import datetime
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from distributed import Client, Future, KilledWorker
from distributed.comm import parse_host_port

from compatmatrix.assemble import current
from compatmatrix.cluster import content, task
from compatmatrix.cluster.check import check, unlike
from compatmatrix.cluster.order import INSTALL, Answer, Order, of_rows, program, unpacked
from compatmatrix.errors import Exit, InfrastructureError, InputError, StorageError
from compatmatrix.merge import merge
from compatmatrix.plan import Plan, definition
from compatmatrix.settings import Settings
from compatmatrix.store import Store
from compatmatrix.sweep import Echo, Ended, Lost
from compatmatrix.text import one_line

_CONNECT_SECONDS = 10
DEATHS = 4
"""Workers that may die under one column before it is given up: it is likely to be what kills them."""


@contextlib.contextmanager
def connect(
    plan: Plan, settings: Settings, scheduler: str, resources: Mapping[str, float], echo: Echo
) -> Iterator[Cluster]:
    """A cluster that was found to be fit for these columns; let go of when left.

    Raises :class:`InfrastructureError` where it cannot be reached, or is not this program.
    """
    data = content.pack(plan.matrix.model_copy(update={"versions": plan.versions}), settings.scenario_roots)
    client = _client(scheduler)
    try:
        check(client, resources, echo)
        yield Cluster(client, plan, settings, data, resources, echo)
    finally:
        with contextlib.suppress(Exception):  # it may be the connection that broke
            client.close(timeout=_CONNECT_SECONDS)


def _client(scheduler: str) -> Client:
    try:
        # Dask would try for long, and leave a traceback of its own, where nobody listens.
        with socket.create_connection(parse_host_port(scheduler), timeout=_CONNECT_SECONDS):
            pass
        return Client(scheduler, timeout=_CONNECT_SECONDS, set_as_default=False, name="compatmatrix")
    except ValueError as error:
        raise InputError(
            f"--scheduler {scheduler}: {one_line(str(error))}", hint="write it as tcp://HOST:PORT, or tls://HOST:PORT"
        ) from error
    except (OSError, RuntimeError) as error:
        raise InfrastructureError(
            f"the scheduler at {scheduler} cannot be reached: {one_line(str(error))}",
            hint="start it (`dask scheduler`), or correct --scheduler; nothing was run",
        ) from error


class Cluster:
    """The :class:`compatmatrix.sweep.Executor` that runs columns on other machines."""

    elsewhere = True

    def __init__(
        self, client: Any, plan: Plan, settings: Settings, data: bytes, resources: Mapping[str, float], echo: Echo
    ) -> None:
        self._client, self._plan, self._settings = client, plan, settings
        self._resources, self._echo = dict(resources), echo
        self._content = content.digest(data)
        # Every column needs it: Dask keeps it once, and knows how to make it again.
        self._data = client.submit(task.given, data, key=f"compatmatrix_content-{self._content}")
        self._meant = {version.id: definition(plan.matrix, version) for version in plan.versions}
        self._program = program()
        self._topic = f"compatmatrix-{uuid.uuid4().hex}"
        client.subscribe_topic(self._topic, self._heard)
        self._begun: set[str] = set()
        self._futures: set[Future] = set()
        self._stopped = False
        self._lock = threading.Lock()
        # One at a time: of a thousand threads some would wait longer than the store lets them, or open too many files.
        self._storing = threading.Lock()

    def __str__(self) -> str:
        return f"on {self._client.scheduler.address}"

    def at_once(self, columns: int) -> int:
        """All: the scheduler knows best, and a cluster that grows must see what waits."""
        return columns

    def column(self, id: str, cells: tuple[str, ...]) -> Ended:
        order = self._order(id, cells)
        deaths = 0
        while True:
            try:
                answer = self._answer(order)
                self.take(id, answer)
                return Ended(answer.status, answer.output, answer.seconds, answer.where)
            except KilledWorker as killed:
                deaths += killed.allowed_failures + 1
                if deaths >= DEATHS:
                    raise Lost(f"lost: {deaths} workers died while they ran it") from killed
            except CancelledError as error:
                if self._stopped:
                    return Ended(Exit.INTERRUPTED)
                raise InfrastructureError(
                    f"the scheduler went away: {one_line(str(error))}",
                    hint="run the same command again: what had come back is kept",
                ) from error
            except StorageError as error:
                return Ended(Exit.STORAGE, error.message)
            except InfrastructureError:  # a worker that joined later, with another program
                raise
            except ImportError as error:
                raise InfrastructureError(unlike(error), hint=INSTALL) from error
            except Exception as error:  # whatever became of the task, it may become better
                return Ended(Exit.DEFECT, f"{type(error).__name__}: {one_line(str(error))}")

    def take(self, id: str, answer: Answer) -> None:
        """Merge what came back; the same once more changes nothing. Raises :class:`StorageError`."""
        if not answer.store:
            return
        told: list[str] = []
        with self._storing, TemporaryDirectory(prefix="compatmatrix-") as folder:
            # A worker is believed about the column that it was given, and about no other.
            path = unpacked(answer.store, Path(folder, f"column-{id}"))
            with Store(self._settings.store) as store:
                now = datetime.datetime.now(datetime.timezone.utc)
                merge([path], store, self._meant, told.append, now=now, by_directory=True)
        for line in told[:-1]:  # the last one counts what was merged
            self._echo(f"{id}{line}")

    def finished(self, environment: str) -> None:
        """Workers remove what they made themselves."""

    def end(self) -> None:
        with self._lock:
            self._stopped = True
            futures = list(self._futures)
        with contextlib.suppress(Exception):  # where the scheduler is gone, so are its tasks
            self._client.cancel(futures, reason="interrupted")

    def _order(self, id: str, cells: tuple[str, ...]) -> Order:
        isolation, fresh = f"--isolation={self._settings.isolation}", self._settings.fresh
        return Order(
            id=id,
            cells=cells,
            arguments=(isolation, "--jobs=1", *(["--fresh"] if fresh else [])),
            program=self._program,
            content=self._content,
            topic=self._topic,
            known=b"" if fresh else self._known(id),
        )

    def _known(self, id: str) -> bytes:
        """What is stored of a column's cells: they are not measured again where it resolves to the same lock."""
        with self._storing, Store(self._settings.store) as store:
            column = current(self._plan, store.columns([id])).get(id)
            keys = [self._plan.key(column, cell) for cell in self._plan.cells] if column and column.ready else []
            rows = store.get(keys).values()
        # A result is keyed by content: two versions that resolve to the same lock share it.
        return of_rows(row.model_copy(update={"version": id}) for row in rows) if rows else b""

    def _answer(self, order: Order) -> Answer:
        with self._lock:
            if self._stopped:
                raise CancelledError
            future = self._client.submit(
                *(task.run, order, self._data),
                key=f"compatmatrix_column-{order.id}-{uuid.uuid4().hex}",
                resources=self._resources or None,
            )
            self._futures.add(future)
        try:
            answer: Answer = future.result()
            return answer
        finally:
            with self._lock:
                self._futures.discard(future)

    def _heard(self, event: tuple[float, dict[str, str]]) -> None:
        id, where = (one_line(str(event[1].get(name)), 60) for name in ("id", "where"))
        key = str(event[1].get("task"))
        again = "its worker was lost; begun again" if key in self._begun else "begun"
        self._begun.add(key)
        self._echo(f"{id}  {again} on {where}")
