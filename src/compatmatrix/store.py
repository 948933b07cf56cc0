"""The results store: one SQLite file, keyed by content, safe under parallel columns and kill -9.

Results are written within about half a second (:mod:`compatmatrix.pending`). WAL lets columns in other processes write
at the same time; a killed writer leaves the last committed state.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock
from pydantic import ValidationError

from compatmatrix.errors import StorageError
from compatmatrix.results import CellResult, Column

STORE = "results.sqlite"
"""The file's name in a state directory."""
VERSION = 1
_BUSY_MILLISECONDS = 30_000
SCHEMA = """
CREATE TABLE IF NOT EXISTS results (
    key TEXT PRIMARY KEY, version TEXT NOT NULL, cell TEXT NOT NULL,
    outcome TEXT NOT NULL, measured_at TEXT NOT NULL, json TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS columns (
    version TEXT PRIMARY KEY, resolved_at TEXT NOT NULL, json TEXT NOT NULL
);
"""


_HINTS = {
    "full": "free disk space and run again: nothing that was stored is lost",
    "locked": "another run has held the store for long; run again: nothing that was stored is lost",
    "readonly": "make the directory writable, or name another one by --state",
    "unable to open": "make the directory writable, or name another one by --state",
    "": "move the file away and run again; reports that were published are not touched",
}
"""SQLite's words, the first that fit, and the next step."""


class Store:
    """Open it with ``with Store(path) as store``; every method raises :class:`StorageError` on trouble."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with self._guard():
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite does not wait for others while it changes to WAL: two that open a new file at once would fail.
            with FileLock(path.with_name(path.name + ".lock")):
                self._db = sqlite3.connect(path, timeout=_BUSY_MILLISECONDS / 1000, isolation_level=None)
                self._prepare()

    def _prepare(self) -> None:
        found = self._db.execute("PRAGMA user_version").fetchone()[0]
        if found > VERSION:
            raise StorageError(
                f"{self.path}: written by a newer compatmatrix (store version {found}; this one reads {VERSION})",
                hint="update compatmatrix, or name another one by --state",
            )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        if found < VERSION:
            self._db.executescript(f"BEGIN IMMEDIATE; {SCHEMA} PRAGMA user_version={VERSION}; COMMIT;")

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # the latter: garbage where it looks for names
            text = str(error)
            hint = next((hint for words, hint in _HINTS.items() if words in text), _HINTS[""])
            raise StorageError(f"{self.path}: {text}", hint=hint) from error
        except OSError as error:
            raise StorageError(
                f"{self.path}: {error}", hint="make the directory writable, or name another one by --state"
            ) from error

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._db.close()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything that is put inside, or nothing of it."""
        try:
            with self._guard():
                self._db.execute("BEGIN IMMEDIATE")
            yield
            with self._guard():
                self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                with contextlib.suppress(sqlite3.Error):  # the first error tells more
                    self._db.execute("ROLLBACK")
            raise

    def put(self, result: CellResult) -> None:
        """Keep a result under its key; a later one of the same key replaces it."""
        measured = result.measured_at.isoformat() if result.measured_at else ""
        row = (result.key, result.version, result.cell, result.outcome.value, measured, result.model_dump_json())
        with self._guard():
            self._db.execute("INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?)", row)

    def get(self, keys: Iterable[str]) -> dict[str, CellResult]:
        """The results that are there, by key; an unreadable row counts as not there and is measured again."""
        found: dict[str, CellResult] = {}
        with self._guard():
            for key in keys:
                # As bytes: text that is not UTF-8 would be an error of the whole store.
                row = self._db.execute("SELECT CAST(json AS BLOB) FROM results WHERE key = ?", (key,)).fetchone()
                if row is not None:
                    with contextlib.suppress(ValidationError):
                        found[key] = CellResult.model_validate_json(row[0])
        return found

    def known(self, keys: Iterable[str]) -> set[str]:
        """Those of the keys that have a result: for a hundred thousand of them, without reading the results."""
        with self._guard():
            there = {row[0] for row in self._db.execute("SELECT key FROM results")}
        return there.intersection(keys)

    def put_column(self, column: Column) -> None:
        """Keep what a version was last resolved to."""
        resolved = column.resolved_at.isoformat() if column.resolved_at else ""
        with self._guard():
            self._db.execute(
                "INSERT OR REPLACE INTO columns VALUES (?, ?, ?)",
                (column.version, resolved, column.model_dump_json()),
            )

    def columns(self, versions: Iterable[str] | None = None) -> dict[str, Column]:
        """The last resolution of these versions; of every version where none are named."""
        query = "SELECT version, CAST(json AS BLOB) FROM columns"
        with self._guard():
            if versions is None:
                rows = self._db.execute(query).fetchall()
            else:
                rows = [row for id in versions for row in self._db.execute(f"{query} WHERE version = ?", (id,))]
        found = {}
        for version, text in rows:
            with contextlib.suppress(ValidationError):
                found[version] = Column.model_validate_json(text)
        return found
