"""One at a time, whatever becomes of the one before."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from compatmatrix.errors import StorageError
from compatmatrix.locks import alone


def _hold(path: Path, told: Any) -> None:
    with alone(path, lambda: None):
        told.put("held")
        threading.Event().wait()


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_the_second_waits_says_so_and_goes_on_when_the_first_is_killed(tmp_path: Path) -> None:
    path, context = tmp_path / "a" / "lock", multiprocessing.get_context("fork")
    told = context.Queue()
    holder = context.Process(target=_hold, args=(path, told))
    holder.start()
    told.get(timeout=30)

    def waiting() -> None:
        os.kill(holder.pid or 0, signal.SIGKILL)
        waits.append("waits")

    waits: list[str] = []
    with alone(path, waiting):
        assert waits == ["waits"]
    holder.join()
    with alone(path, waiting):
        assert waits == ["waits"], "a lock that is free is not waited for"


def test_garbage_in_a_lock_is_of_no_interest_and_no_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "garbage").write_bytes(os.urandom(99))
    with alone(tmp_path / "garbage", lambda: None):
        pass
    (tmp_path / "directory").mkdir()
    with pytest.raises(StorageError, match="Is a directory"), alone(tmp_path / "directory", lambda: None):
        pass
