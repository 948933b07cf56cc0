"""Columns that were run elsewhere (another machine, a CI job) taken into the local store, all of them or none.

The other store is read as untrusted (:mod:`compatmatrix.foreign`). A key stands for everything that a result depends
on, so rows of the same key measured the same thing:

* the same outcome twice: the newer measurement is kept;
* different outcomes: the worst is the verdict and ``attempts`` holds both, so that the cell is *flaky*, as it is where
  two attempts in one run end differently. Nothing that was seen is dropped in silence.

The rules do not depend on the order of merging, and merging once more changes nothing.

Where each store lies in a directory that is named for its column (``column-VERSION/``, as CI hands them over), it is
taken at its word only about that column: what one column's machine says of another is refused and named.
"""

from __future__ import annotations

import datetime
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compatmatrix import foreign
from compatmatrix.errors import InputError, StorageError
from compatmatrix.report.display import plural
from compatmatrix.results import CellResult, Column, Outcome
from compatmatrix.store import STORE, Store
from compatmatrix.text import one_line

AHEAD = datetime.timedelta(hours=1)
"""How far another machine's clock may be ahead of this one's."""
_TOLD = 20
"""Differing cells that are named; of the others only the number is told."""
_FOLDER = "column-"


@dataclass
class Merged:
    """What one store brought: columns taken and left alone, and results by what became of them."""

    columns: int = 0
    new: int = 0
    known: int = 0
    renewed: int = 0
    flaky: int = 0

    def __str__(self) -> str:
        return (
            f"{plural(self.columns, 'column')} taken; {plural(self.new, 'new result')}, "
            f"{self.renewed:,} measured again, {self.flaky:,} with another outcome than before, {self.known:,} known"
        )


def find(paths: Sequence[Path]) -> list[Path]:
    """The stores that are meant: files as they are, and every ``results.sqlite`` below a directory.

    Raises :class:`InputError` for a path that leads to none.
    """
    found: list[Path] = []
    for path in paths:
        below = sorted(path.rglob(STORE)) if path.is_dir() else [path]
        stores = [each for each in below if each.is_file() and not each.is_symlink()]
        if not stores:
            raise InputError(
                f"{path}: no results store is there",
                hint=f"name a state directory, a directory that holds some, or a file such as .compatmatrix/{STORE}",
            )
        found += stores
    return list(dict.fromkeys(found))


def merge(
    paths: Sequence[Path],
    store: Store,
    meant: Mapping[str, str],
    echo: Callable[[str], None],
    *,
    now: datetime.datetime,
    by_directory: bool = False,
    leave_out_damaged: bool = False,
) -> list[Merged]:
    """Merge stores into this one, in one transaction; ``meant`` is version -> definition of matrix.yaml's columns.

    A column that was run with another definition is left out and named. With ``by_directory`` a store must lie in
    ``column-VERSION/``, and what it says of other versions is refused and named. Raises :class:`StorageError` for a
    store that cannot be trusted to be one, or that was measured after ``now``; nothing is changed then, unless
    ``leave_out_damaged`` asks for the others to be merged without it.
    """
    done = []
    with store.transaction():
        for path in find(paths):
            try:
                columns, rows = foreign.read(path, now + AHEAD)
            except StorageError as error:
                if not leave_out_damaged:
                    raise
                echo(f"{error.message}\n  left out: what it measured counts as not run")
                continue
            told: list[str] = []
            if by_directory:
                columns, rows = _bound(path, columns, rows, told)
            merged = Merged(columns=sum(_take_column(column, store, meant, echo) for column in columns))
            for row in rows:
                _take(row, store, merged, told)
            for line in [*told[:_TOLD], *([f"  and {len(told) - _TOLD} more"] if len(told) > _TOLD else [])]:
                echo(line)
            echo(f"{path}: {merged}")
            done.append(merged)
    return done


def _bound(
    path: Path, columns: Sequence[Column], rows: Sequence[CellResult], told: list[str]
) -> tuple[list[Column], list[CellResult]]:
    """What a store says of the column that its directory is named for; the rest is named as refused."""
    folder = path.absolute().parent.name
    if not folder.startswith(_FOLDER):
        raise InputError(
            f"{path}: it is not in a directory that is named for its column, such as {_FOLDER}4.46.3/",
            hint="leave out --by-directory where you trust every store about every column",
        )
    version = folder.removeprefix(_FOLDER)
    kept = [column for column in columns if column.version == version], [row for row in rows if row.version == version]
    names = itertools.chain((column.version for column in columns), (row.version for row in rows))
    others = Counter(name for name in names if name != version)
    told += [
        f"  refused: {plural(count, 'row')} about {one_line(other, 60)} from {one_line(folder, 60)}"
        for other, count in sorted(others.items())
    ]
    return kept


def _take_column(column: Column, store: Store, meant: Mapping[str, str], echo: Callable[[str], None]) -> bool:
    if meant.get(column.version, column.definition) != column.definition:
        echo(f"{one_line(column.version)}: left out: it was run with another definition than matrix.yaml has now")
        return False
    here = store.columns([column.version]).get(column.version)
    stale = here is not None and meant.get(column.version, here.definition) != here.definition
    taken = here is None or stale or _column_order(column) > _column_order(here)
    if taken:
        store.put_column(column)
    return taken


def _column_order(column: Column) -> tuple[datetime.datetime, str]:
    return _moment(column.resolved_at), column.model_dump_json()


def _take(row: CellResult, store: Store, merged: Merged, told: list[str]) -> None:
    here = store.get([row.key]).get(row.key)
    if here is None:
        merged.new += 1
        store.put(row)
        return
    both = combine(here, row)
    if _same(both, here):
        merged.known += 1
        return
    if here.outcome is not row.outcome:
        merged.flaky += 1
        told.append(
            f"  differs: {one_line(row.version)} {one_line(row.cell)}: {here.outcome.value} here, {row.outcome.value} "
            f"there; kept as {both.outcome.value}, flaky"
        )
    else:
        merged.renewed += 1
        if (here.signature, here.fingerprint_digest) != (row.signature, row.fingerprint_digest):
            told.append(
                f"  differs: {one_line(row.version)} {one_line(row.cell)}: {row.outcome.value} both times, with "
                "another signature or fingerprint; the newer is kept"
            )
    store.put(both)


def combine(one: CellResult, other: CellResult) -> CellResult:
    """Two measurements under one key as one: the worst outcome, then the newest; all outcomes kept as attempts.

    Commutative, associative and idempotent. Pure.
    """
    if _same(one, other):
        return one
    seen = _seen(one) | _seen(other)
    ranked = tuple(outcome for outcome in Outcome for _ in range(seen[outcome]))
    return max(one, other, key=_order).model_copy(update={"attempts": ranked})


def _seen(row: CellResult) -> Counter[Outcome]:
    return Counter(row.attempts) | Counter([row.outcome])


def _same(one: CellResult, other: CellResult) -> bool:
    # As text: a measurement that is not a number is not equal to itself.
    return one.model_dump_json() == other.model_dump_json()


def _order(row: CellResult) -> tuple[int, datetime.datetime, str]:
    return row.outcome.severity, _moment(row.measured_at), row.model_dump_json(exclude={"attempts"})


def _moment(moment: datetime.datetime | None) -> datetime.datetime:
    moment = moment or datetime.datetime.min
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)
