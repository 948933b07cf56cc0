"""A results store of another machine, read as untrusted: read-only, with the tables of a store and no others, each row
validated.
"""

from __future__ import annotations

import contextlib
import datetime
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from compatmatrix import reading
from compatmatrix.errors import StorageError
from compatmatrix.results import CellResult, Column
from compatmatrix.store import SCHEMA, VERSION
from compatmatrix.text import one_line

_HINT = "nothing was merged; run the column again there, or leave this file out (--leave-out-damaged does)"

M = TypeVar("M", bound=BaseModel)


def read(path: Path, latest: datetime.datetime) -> tuple[list[Column], list[CellResult]]:
    """All of a store, before anything of it is taken; raises :class:`StorageError` where it cannot be trusted."""
    with _reading(path) as db:
        columns = list(_rows(path, db, Column, "version", "columns", latest))
        return columns, list(_rows(path, db, CellResult, "key", "results", latest))


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A foreign store, opened read-only and checked to be one."""
    try:
        db = sqlite3.connect(path.absolute().as_uri() + "?mode=ro", uri=True)
        try:
            db.execute("PRAGMA trusted_schema=OFF")
            db.execute("PRAGMA cell_size_check=ON")
            _check(path, db)
            yield db
        finally:
            db.close()
    except (sqlite3.DatabaseError, UnicodeDecodeError, OSError) as error:
        raise StorageError(f"{path}: {one_line(str(error))}", hint=_HINT) from error


def _check(path: Path, db: sqlite3.Connection) -> None:
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version != VERSION:
        raise StorageError(f"{path}: store version {version}; this compatmatrix merges {VERSION}", hint=_HINT)
    # Exactly the tables of a store: no view, trigger or computed column that would run here.
    if _tables(db) != _expected():
        raise StorageError(f"{path}: not a results store of compatmatrix: its tables are others", hint=_HINT)
    sound = db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if sound != "ok":
        raise StorageError(f"{path}: damaged: {one_line(str(sound))}", hint=_HINT)


def _tables(db: sqlite3.Connection) -> list[tuple[str, str, str]]:
    return db.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_master ORDER BY type, name").fetchall()


def _expected() -> list[tuple[str, str, str]]:
    with contextlib.closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCHEMA)
        return _tables(db)


def _rows(
    path: Path, db: sqlite3.Connection, model: type[M], name_column: str, table: str, latest: datetime.datetime
) -> Iterator[M]:
    """The rows of a table as models; each must be filed under its own name, and none come from the future."""
    for name, text in db.execute(f"SELECT {name_column}, json FROM {table} ORDER BY 1"):  # noqa: S608 - our own words
        try:
            row = model.model_validate_json(text)
            if not name or getattr(row, name_column) != name:
                raise ValueError("the row is filed under another name than its own")
            _check_time(row, latest)
        except (ValueError, TypeError) as error:
            raise StorageError(
                f"{path}: the row {one_line(str(name), 60)!r} cannot be used: {reading.why(error)}", hint=_HINT
            ) from error
        yield row


def _check_time(row: BaseModel, latest: datetime.datetime) -> None:
    for name in ("resolved_at", "measured_at"):
        moment: datetime.datetime | None = getattr(row, name, None)
        reading.zoned(name, moment)
        if moment is not None and moment > latest:
            raise ValueError(f"{name}: {moment.isoformat()} is in the future")
