"""Results that are known and not stored yet: for half a second, so that what they rest on is looked at once for all."""

from __future__ import annotations

import contextlib
import time
from types import TracebackType

from compatmatrix.errors import CompatmatrixError, InfrastructureError, ScenarioError
from compatmatrix.results import CellResult
from compatmatrix.store import Store
from compatmatrix.wholeness import Ground

SECONDS = 0.5
"""About so long a result waits, and so much is measured again after a ``kill -9`` or a loss of power."""


class Pending:
    """A context manager: what is added is stored when it has waited, and at the end, also at that by an exception.

    A result that may be the work of something else than the version is never stored: all methods raise what
    :class:`compatmatrix.wholeness.Ground` does, and :class:`compatmatrix.errors.StorageError`. An interrupt, or any
    other exception that ends it, is raised in their place; but trouble of one worker, which others outlive, is not:
    they would never hear that results were given up. One instance serves one thread.
    """

    def __init__(self, ground: Ground, store: Store) -> None:
        self._ground, self._store = ground, store
        self._results: list[CellResult] = []
        self._since = 0.0

    def __enter__(self) -> Pending:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        passes = error is None or isinstance(error, InfrastructureError)
        with contextlib.suppress(*(() if passes else (CompatmatrixError,))):
            self.keep()

    def add(self, result: CellResult) -> None:
        """Have a result stored in half a second, as long as :meth:`look` is called now and then."""
        self._ground.room(result)
        if not self._results:
            self._since = time.monotonic()
        self._results.append(result)
        self.look()

    def look(self) -> None:
        """Store what has waited long enough."""
        if self._results and time.monotonic() - self._since >= SECONDS:
            self.keep()

    def keep(self) -> None:
        """Store what there is, as far as it can be believed, in one transaction."""
        if not self._results:
            return
        try:
            believed, lost = self._ground.believed(self._results)
        except ScenarioError:
            self._results = []
            raise
        with self._store.transaction():
            for result in believed:
                self._store.put(result)
        self._results = []  # now: an interrupt may come before, and they are tried again at the end
        if lost is not None:
            raise lost
