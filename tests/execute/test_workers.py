"""The cells of a column, shared among workers: each is run once, whoever fails, is late or is interrupted."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix import processors
from compatmatrix.errors import InfrastructureError
from compatmatrix.execute import ProbeStartError, Stopped
from compatmatrix.plan import PlannedCell
from compatmatrix.processors import Processors
from compatmatrix.results import EnvReason, Scenario, Variant
from compatmatrix.wholeness import EnvironmentLost
from compatmatrix.workers import Run, Share, Workers


def cells(count: int, name: str = "cell") -> list[PlannedCell]:
    variant = Variant(label="")
    scenarios = [Scenario(id=f"a/{name}{n}", title=name, family="a", variants=(variant,)) for n in range(count)]
    return [PlannedCell(id=scenario.id, scenario=scenario, variant=variant) for scenario in scenarios]


class Column:
    """Stands for probes: notes which worker ran which cell, and does what ``act`` does with it."""

    def __init__(self, act: Callable[[PlannedCell, int, threading.Event], None] = lambda *_: None) -> None:
        self.ran: list[tuple[str, int]] = []
        self.started: list[tuple[int, int]] = []
        self.at_work = self.most_at_work = 0
        self.act = act
        self.refuses: Callable[[Share, int], bool] = lambda *_: False

    @contextlib.contextmanager
    def start(self, share: Share, worker: int, stop: threading.Event) -> Iterator[Run]:
        if self.refuses(share, worker):
            raise ProbeStartError(EnvReason.IMPORT_FAILED, "no room for a process")
        self.started.append((share.devices, worker))
        self.at_work += 1
        self.most_at_work = max(self.most_at_work, self.at_work)

        def run(cell: PlannedCell) -> None:
            self.act(cell, worker, stop)
            self.ran.append((cell.id, worker))

        try:
            yield run
        finally:
            self.at_work -= 1

    @property
    def by(self) -> dict[int, int]:
        """Worker -> the number of cells that it ran."""
        return dict(Counter(worker for _, worker in self.ran))


def workers(
    column: Column, directory: Path, *groups: tuple[int, list[PlannedCell]], number: int = 2, memory: int = 0
) -> None:
    with Processors(directory, number, memory=memory, settled=0) as found:
        Workers(groups, column.start, found).run()


def once(column: Column, *groups: tuple[int, list[PlannedCell]]) -> bool:
    return sorted(id for id, _ in column.ran) == sorted(cell.id for _, group in groups for cell in group)


def pause(_: PlannedCell, __: int, ___: threading.Event) -> None:
    time.sleep(0.005)


@pytest.mark.parametrize("number", [1, 2, 4])
@pytest.mark.parametrize("sizes", [(40,), (30, 40), (1, 40), (40, 1)])
def test_every_cell_is_run_once(tmp_path: Path, number: int, sizes: tuple[int, ...]) -> None:
    groups = [(devices, cells(size, f"{devices}-")) for devices, size in enumerate(sizes)]
    column = Column(pause)
    workers(column, tmp_path, *groups, number=number)
    assert once(column, *groups)
    assert column.most_at_work == 1 if number == 1 else 1 < column.most_at_work <= number
    assert column.at_work == 0


def test_two_cells_run_at_once(tmp_path: Path) -> None:
    meet = threading.Barrier(2)
    column = Column(lambda cell, *_: void(meet.wait(20)) if cell.id.endswith(("x0", "y0")) else None)
    workers(column, tmp_path, (0, cells(1, "x")), (1, cells(1, "y")))
    assert sorted(column.by.values()) == [1, 1]


def void(_: object) -> None:
    """For a function that is called for what it does."""


def test_a_worker_more_where_it_would_come_too_late_is_not_started(tmp_path: Path) -> None:
    column = Column()
    column.refuses = lambda *_: threading.Event().wait(0.2)  # what a start takes; a cell takes nothing
    workers(column, tmp_path, (0, cells(30)))
    assert column.by == {0: 30}


def test_quick_cells_at_the_beginning_of_a_share_do_not_hide_how_long_the_rest_takes(tmp_path: Path) -> None:
    other = Processors(tmp_path, 2, memory=0).__enter__()
    other.wait()

    def act(cell: PlannedCell, _: int, __: threading.Event) -> None:
        if "quick" in cell.id:
            other.__exit__()  # a processor is free from the beginning of the second share
        else:
            time.sleep(0.01)

    column, groups = Column(act), ((0, cells(20, "slow")), (1, [*cells(30, "quick"), *cells(40, "late")]))
    column.refuses = lambda *_: threading.Event().wait(0.1)  # what a start takes
    workers(column, tmp_path, *groups)
    assert once(column, *groups)
    second = [worker for id, worker in column.ran if "slow" not in id]
    assert 1 in second


def test_no_worker_more_where_memory_would_not_do(tmp_path: Path) -> None:
    column = Column(pause)
    workers(column, tmp_path, (0, cells(20)), (1, cells(20, "other")), memory=1 << 60)
    assert column.by == {0: 40}


def test_a_processor_that_another_column_uses_is_not_taken(tmp_path: Path) -> None:
    column, group = Column(pause), cells(40)
    with Processors(tmp_path, 2, memory=0) as other:
        other.wait()
        workers(column, tmp_path, (0, group))
    assert column.by == {0: 40}


def test_a_column_waits_until_a_processor_is_free_and_says_so_once(tmp_path: Path) -> None:
    told: list[str] = []
    first = Processors(tmp_path, 1, memory=0).__enter__()
    first.wait(lambda: told.append("first"))
    began = time.monotonic()
    threading.Timer(0.3, first.__exit__).start()
    with Processors(tmp_path, 1, memory=0) as second:
        second.wait(lambda: told.append("second"))
        assert time.monotonic() - began >= 0.3
        second.wait(lambda: told.append("it has one"))
    assert told == ["second"]


def test_a_column_that_shares_no_processors_waits_for_none(tmp_path: Path) -> None:
    with Processors(tmp_path, 1, memory=0) as other:
        other.wait()
        column = Column(pause)
        with Processors(tmp_path, 0, memory=0) as none:
            none.wait()
            Workers([(0, cells(10))], column.start, none).run()
    assert column.by == {0: 10}


def test_a_disk_on_which_no_file_can_be_locked_holds_up_nobody(tmp_path: Path) -> None:
    (tmp_path / "0.lock").mkdir()
    with Processors(tmp_path, 1, memory=0) as processors:
        processors.wait()


def test_a_processor_is_spare_only_when_it_has_been_free_for_a_while(tmp_path: Path) -> None:
    with Processors(tmp_path, 2, memory=0, settled=0.3) as mine:
        began = time.monotonic()
        while (give_back := mine.spare()) is None:
            time.sleep(0.01)
        assert time.monotonic() - began >= 0.3
        with Processors(tmp_path, 2, memory=0, settled=0) as other:
            assert other.spare() is None
            give_back()
            other.wait()
            assert mine.spare() is None  # the other has taken it for its own
            assert other.spare() is None


def test_what_one_worker_raises_ends_the_others_and_is_raised(tmp_path: Path) -> None:
    at_work, ended = threading.Event(), threading.Event()

    def act(cell: PlannedCell, worker: int, stop: threading.Event) -> None:
        if worker:
            at_work.wait(20)
            raise ValueError(cell.id)
        at_work.set()
        if not stop.wait(20):
            raise AssertionError("the other was not ended")
        ended.set()
        raise Stopped

    column = Column(act)
    with pytest.raises(ValueError, match="a/cell"):
        workers(column, tmp_path, (0, cells(3)), (1, cells(3, "cell-b")))
    assert ended.is_set() and column.ran == [] and column.at_work == 0


def test_an_interrupt_of_the_first_ends_the_others(tmp_path: Path) -> None:
    at_work = threading.Event()

    def act(_: PlannedCell, worker: int, stop: threading.Event) -> None:
        if worker:
            at_work.set()
            stop.wait(20)
            raise Stopped
        at_work.wait(20)
        raise KeyboardInterrupt

    column = Column(act)
    before = threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        workers(column, tmp_path, (0, cells(3)), (1, cells(3, "b")))
    assert threading.active_count() == before and column.at_work == 0
    with Processors(tmp_path, 2, memory=0, settled=0) as found:
        assert found.spare() is not None  # it was given back


def test_who_cannot_join_leaves_the_cells_to_those_that_could_start(tmp_path: Path) -> None:
    column, group = Column(pause), cells(60)
    tries = itertools.count()
    column.refuses = lambda _, worker: bool(worker) and next(tries) >= 0
    workers(column, tmp_path, (0, group))
    assert column.by == {0: 60}
    assert next(tries) == 1  # it was tried, and not again and again


@pytest.mark.parametrize("error", [ProbeStartError(EnvReason.IMPORT_FAILED, "died"), InfrastructureError("no process")])
def test_what_ails_a_helper_in_mid_run_costs_neither_its_cell_nor_the_column(tmp_path: Path, error: Exception) -> None:
    def act(_: PlannedCell, worker: int, __: threading.Event) -> None:
        time.sleep(0.005)
        if worker:
            raise error

    groups = (0, cells(40)), (1, cells(5, "b"))
    column = Column(act)
    workers(column, tmp_path, *groups)
    assert once(column, *groups) and column.by == {0: 45}
    assert [worker for _, worker in column.started].count(0) == 2  # it began the other share itself in the end
    assert len([worker for _, worker in column.started if worker]) <= 2  # one helper for each share, and no more


def test_an_environment_that_is_gone_ends_the_column_whichever_worker_found_it(tmp_path: Path) -> None:
    """The helper has given results up, and nobody would run those cells again."""

    def act(_: PlannedCell, worker: int, __: threading.Event) -> None:
        time.sleep(0.005)
        if worker:
            raise EnvironmentLost("install-failed", "a part of the environment went")

    column = Column(act)
    with pytest.raises(EnvironmentLost):
        workers(column, tmp_path, (0, cells(400)))
    assert column.by[0] < 400


def test_an_environment_that_is_found_gone_while_a_worker_closes_ends_the_column(tmp_path: Path) -> None:
    """Its probe died of that, which would end this worker only; but it has given results up."""

    def act(_: PlannedCell, worker: int, __: threading.Event) -> None:
        time.sleep(0.005)
        if worker:
            raise ProbeStartError(EnvReason.IMPORT_FAILED, "died")

    column = Column(act)
    start = column.start

    @contextlib.contextmanager
    def closing(share: Share, worker: int, stop: threading.Event) -> Iterator[Run]:
        try:
            with start(share, worker, stop) as run:
                yield run
        except ProbeStartError:
            raise EnvironmentLost("install-failed", "a part of the environment went") from None

    with Processors(tmp_path, 2, memory=0, settled=0) as found, pytest.raises(EnvironmentLost):
        Workers([(0, cells(400))], closing, found).run()


def test_what_ails_the_first_worker_is_raised_where_it_is_alone(tmp_path: Path) -> None:
    def act(_: PlannedCell, worker: int, __: threading.Event) -> None:
        time.sleep(0.005)
        if not worker:
            raise InfrastructureError("no process")

    with pytest.raises(InfrastructureError, match="no process"):
        workers(Column(act), tmp_path, (0, cells(40)), (1, cells(40, "b")))


def test_what_ails_the_first_worker_leaves_its_cells_to_one_that_has_joined(tmp_path: Path) -> None:
    joined = threading.Event()

    def act(_: PlannedCell, worker: int, __: threading.Event) -> None:
        time.sleep(0.005)
        if worker:
            joined.set()
        elif joined.is_set():
            raise ProbeStartError(EnvReason.IMPORT_FAILED, "the process died", module="virtualcuda")

    column, group = Column(act), cells(80)
    workers(column, tmp_path, (2, group))
    assert once(column, (2, group)) and column.by[1] > 40


def test_a_machine_without_room_for_a_thread_runs_one_cell_after_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    column, group = Column(), cells(10)
    workers(column, tmp_path, (0, group), (1, cells(10, "b")))
    assert column.by == {0: 20}
    monkeypatch.undo()
    with Processors(tmp_path, 2, memory=0, settled=0) as found:
        assert found.spare() is not None  # it was given back


def test_as_many_workers_as_memory_has_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processors, "free", lambda: 3 << 30)
    column, group = Column(pause), cells(200)
    workers(column, tmp_path, (0, group), number=8, memory=1 << 30)
    assert once(column, (0, group)) and column.most_at_work == 3


def test_the_first_thread_hears_the_others_also_while_it_waits(tmp_path: Path) -> None:
    heard: list[threading.Thread] = []

    def act(_: PlannedCell, worker: int, __: threading.Event) -> None:
        time.sleep(0.6 if worker else 0.01)

    def hear() -> None:
        heard.append(threading.current_thread())
        at_work.append(threading.active_count() - before)

    at_work: list[int] = []
    before = threading.active_count()
    with Processors(tmp_path, 2, memory=0, settled=0) as found:
        groups = (0, cells(1)), (1, cells(2, "b"))
        Workers(groups, Column(act).start, found, hear).run()
    assert len(heard) >= 3 and set(heard) == {threading.current_thread()}
    assert at_work[0] == 1 and at_work[-1] == 0
    heard.clear()
    with Processors(tmp_path, 1, memory=0) as found:
        Workers([(0, cells(1))], Column().start, found, hear).run()
    assert len(heard) == 1  # once more when all have ended


def test_the_others_end_while_the_probe_of_one_that_failed_is_closed(tmp_path: Path) -> None:
    closed: list[bool] = []

    @contextlib.contextmanager
    def start(_: Share, worker: int, stop: threading.Event) -> Iterator[Run]:
        def run(_: PlannedCell) -> None:
            if not worker:
                raise KeyboardInterrupt

        try:
            yield run
        finally:
            closed.append(bool(worker) or stop.wait(5))

    heard: list[str] = []
    with Processors(tmp_path, 1, memory=0) as found, pytest.raises(KeyboardInterrupt):
        Workers([(0, cells(2))], start, found, lambda: heard.append("told")).run()
    assert closed == [True]
    assert heard == []  # it may have been interrupted because nobody reads


def test_a_share_that_nobody_could_start_is_a_failure(tmp_path: Path) -> None:
    column = Column(pause)
    column.refuses = lambda share, _: share.devices == 1
    with pytest.raises(ProbeStartError, match="no room"):
        workers(column, tmp_path, (0, cells(10)), (1, cells(10, "b")))


@given(left=st.integers(0, 500), workers=st.integers(0, 8), done=st.integers(0, 50), start=st.floats(0, 10))
def test_one_more_only_where_the_share_then_ends_sooner(left: int, workers: int, done: int, start: float) -> None:
    share = Share(0, left=Workers([(0, cells(left))], Column().start, None)._shares[0].left)  # type: ignore[arg-type]
    share.workers, share.done, share.seconds = workers, done, done * 0.5
    if share.wants(0, start):
        assert left and (not workers or left * 0.5 / workers > left * 0.5 / (workers + 1) + start)
    else:
        assert not left or (workers and (not done or left * 0.5 / workers <= left * 0.5 / (workers + 1) + start))
