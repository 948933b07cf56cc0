"""A second process for a scenario: what it measures arrives, and it never outlives the first."""

import os
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

from compatprobe import Cell
from scenarios.meta_init import _ranks

pytestmark = pytest.mark.torch


def test_what_both_ranks_measure_is_recorded(tmp_path: Path) -> None:
    cell = Cell("family/name", tmp_path)

    def work(own: Cell, rank: int) -> None:
        own.check("rank", rank, rank - 1, "by hand")
        own.fact("process", os.getpid())

    _ranks.both(cell, work)
    assert [(check["name"], check["measured"], check["limit"]) for check in cell.checks] == [
        ("rank", 0.0, -1.0),
        ("rank 1: rank", 1.0, 0.0),
    ]
    assert cell.fingerprint["rank 1"]["process"] != cell.fingerprint["process"] == os.getpid()


def test_an_exception_of_rank_1_is_told_and_its_checks_are_kept(tmp_path: Path) -> None:
    cell = Cell("family/name", tmp_path)

    def work(own: Cell, rank: int) -> None:
        own.check("rank", rank, 0)
        if rank == 1:
            raise ValueError("no such tensor")

    with pytest.raises(RuntimeError, match="rank 1: ValueError: no such tensor"):
        _ranks.both(cell, work)
    assert len(cell.checks) == 2


def test_what_rank_1_raised_is_told_where_rank_0_only_saw_it_go(tmp_path: Path) -> None:
    def work(own: Cell, rank: int) -> None:
        if rank == 1:
            raise ValueError("no such tensor")
        raise ConnectionError("closed by peer")

    with pytest.raises(RuntimeError, match="rank 1: ValueError: no such tensor") as caught:
        _ranks.both(Cell("family/name", tmp_path), work)
    assert isinstance(caught.value.__cause__, ConnectionError)


def test_a_death_of_rank_1_leaves_what_rank_0_raised(tmp_path: Path) -> None:
    def work(own: Cell, rank: int) -> None:
        if rank == 1:
            os._exit(3)
        raise ConnectionError("closed by peer")

    with pytest.raises(ConnectionError, match="closed by peer"):
        _ranks.both(Cell("family/name", tmp_path), work)


def test_a_death_of_rank_1_is_told(tmp_path: Path) -> None:
    def work(own: Cell, rank: int) -> None:
        if rank == 1:
            os._exit(3)

    with pytest.raises(RuntimeError, match="rank 1 died"):
        _ranks.both(Cell("family/name", tmp_path), work)


def test_rank_1_is_killed_where_rank_0_raises(tmp_path: Path) -> None:
    def work(own: Cell, rank: int) -> None:
        if rank == 1:
            (tmp_path / "pid").write_text(str(os.getpid()))
            time.sleep(600)
        while not (tmp_path / "pid").exists():
            time.sleep(0.01)
        raise KeyError("weight")

    with pytest.raises(KeyError):
        _ranks.both(Cell("family/name", tmp_path), work)
    assert not Path("/proc", (tmp_path / "pid").read_text()).exists()
