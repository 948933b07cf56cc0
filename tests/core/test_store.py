"""The store: nothing is lost, nothing is doubled, and trouble gives one clear message."""

import multiprocessing
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from compatmatrix.errors import StorageError
from compatmatrix.results import Outcome
from compatmatrix.store import Store
from tests.core.factories import column, result


def test_what_is_put_is_got(tmp_path: Path) -> None:
    kept = result(key="k", outcome=Outcome.WRONG, signature="s")
    with Store(tmp_path / "a" / "s.sqlite") as store:
        store.put(kept)
        store.put_column(column())
    with Store(tmp_path / "a" / "s.sqlite") as store:
        assert store.get(["k", "other"]) == {"k": kept}
        assert store.columns() == {"1.0": column()}


def test_a_later_result_of_the_same_content_replaces_the_first(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        store.put(result(key="k"))
        store.put(result(key="k", outcome=Outcome.FAIL))
        assert store.get(["k"])["k"].outcome is Outcome.FAIL


def _write(path: Path, name: str, count: int) -> None:
    with Store(path) as store:
        for number in range(count):
            store.put(result(key=f"{name}-{number}"))


def test_columns_in_parallel_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(path, name, 40)) for name in "abcd"]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * 4
    with Store(path) as store:
        assert len(store.get(f"{name}-{number}" for name in "abcd" for number in range(40))) == 160


def _open(path: Path, together: Any, told: Any) -> None:
    together.wait()
    try:
        with Store(path) as store:
            store.put_column(column())
        told.put("")
    except StorageError as error:
        told.put(str(error))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork, to start many at the same moment")
def test_many_may_open_a_new_store_at_the_same_moment(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for number in range(40):
        together, told = context.Barrier(6), context.Queue()
        path = tmp_path / str(number) / "s.sqlite"
        openers = [context.Process(target=_open, args=(path, together, told)) for _ in range(6)]
        for opener in openers:
            opener.start()
        assert [told.get(timeout=60) for _ in openers] == [""] * 6
        for opener in openers:
            opener.join()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_writer_loses_nothing_that_it_had_put(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite"
    Store(path).close()
    writer = multiprocessing.get_context("spawn").Process(target=_write, args=(path, "a", 100_000))
    writer.start()
    watcher = sqlite3.connect(path)
    while watcher.execute("SELECT count(*) FROM results").fetchone()[0] < 20:
        time.sleep(0.01)
    os.kill(writer.pid or 0, signal.SIGKILL)
    writer.join()
    count = watcher.execute("SELECT count(*) FROM results").fetchone()[0]
    watcher.close()
    with Store(path) as store:
        assert len(store.get(f"a-{number}" for number in range(count))) == count


def test_trouble_gives_one_message_with_the_next_step(tmp_path: Path) -> None:
    (tmp_path / "junk.sqlite").write_bytes(b"this is not a database, far from it" * 100)
    with pytest.raises(StorageError, match="move the file away"):
        Store(tmp_path / "junk.sqlite")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="make the directory writable"):
        Store(tmp_path / "file" / "s.sqlite")
    with sqlite3.connect(tmp_path / "new.sqlite") as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(StorageError, match="newer compatmatrix"):
        Store(tmp_path / "new.sqlite")


@pytest.mark.parametrize("damage", ["substr(json, 1, 20)", "CAST(replace(json, 'llama', X'FF00') AS TEXT)", "''"])
def test_a_row_that_cannot_be_read_is_measured_again(tmp_path: Path, damage: str) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        store.put(result(key="k"))
        store.put_column(column())
        store._db.execute(f"UPDATE results SET json = {damage}")
        store._db.execute(f"UPDATE columns SET json = {damage.replace('llama', '1.0')}")
        assert store.get(["k"]) == {}
        assert store.columns() == {}


def test_a_store_without_its_tables_is_told_to_be_moved_away(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite") as store:
        store._db.execute("DROP TABLE results")
    with pytest.raises(StorageError, match="move the file away"), Store(tmp_path / "s.sqlite") as store:
        store.get(["k"])
