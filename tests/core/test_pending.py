"""Results wait for half a second: nothing of them is lost, and nothing is stored that cannot be believed."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from compatmatrix import pending
from compatmatrix.errors import CompatmatrixError, InfrastructureError, ScenarioError, StorageError
from compatmatrix.execute import Stopped
from compatmatrix.pending import Pending
from compatmatrix.results import CellResult, Outcome
from compatmatrix.stamps import stamps
from compatmatrix.store import Store
from compatmatrix.wholeness import EnvironmentLost, Ground, Installed
from tests.core.factories import result


class Clock:
    """Stands for ``time.monotonic``."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pending, "time", clock)
    return clock


class Counted(Installed):
    """Counts how often an environment is looked at."""

    looked = 0

    def gone(self) -> str:
        self.looked += 1
        return super().gone()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The environment: one file."""
    file = tmp_path / "environment" / "library.py"
    file.parent.mkdir()
    file.touch()
    return file


def row(name: str, outcome: Outcome = Outcome.PASS) -> CellResult:
    return result(key=name, cell=name, outcome=outcome)


def keys(path: Path) -> list[str]:
    """Those of some keys that are stored, as another process sees it."""
    with Store(path) as store:
        return sorted(store.known(["a", "b", "c", "d"]))


def add(
    path: Path, file: Path, rows: Sequence[CellResult], end: BaseException | None = None, during: object = None
) -> None:
    """Add results; then lose the environment where ``during`` is "lost"; then end, by an exception or without."""
    ground = Ground(installed=Installed({str(file): 0}), work=path.parent)
    with Store(path) as store, Pending(ground, store) as waiting:
        for each in rows:
            waiting.add(each)
        if during == "lost":
            file.unlink()
        if end is not None:
            raise end


def test_results_are_stored_together_when_the_first_has_waited(tmp_path: Path, file: Path, clock: Clock) -> None:
    path = tmp_path / "s.sqlite"
    installed = Counted({str(file): 0})
    with Store(path) as store, Pending(Ground(installed=installed, work=tmp_path), store) as waiting:
        waiting.add(row("a", Outcome.FAIL))
        clock.now += pending.SECONDS * 0.9
        waiting.add(row("b", Outcome.WRONG))
        waiting.look()
        assert keys(path) == []
        clock.now += pending.SECONDS * 0.2
        waiting.look()
        assert keys(path) == ["a", "b"]
        assert installed.looked == 1
        waiting.add(row("c"))
        assert keys(path) == ["a", "b"]  # it waits from when it came
    assert keys(path) == ["a", "b", "c"]


def test_a_result_that_comes_late_takes_along_those_that_wait(tmp_path: Path, file: Path, clock: Clock) -> None:
    path = tmp_path / "s.sqlite"
    ground = Ground(installed=Installed({str(file): 0}), work=tmp_path)
    with Store(path) as store, Pending(ground, store) as waiting:
        waiting.add(row("a"))
        clock.now += 60
        waiting.add(row("b"))
        assert keys(path) == ["a", "b"]


ENDS = [None, KeyboardInterrupt(), Stopped(), InfrastructureError("no process"), ZeroDivisionError()]


@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_whatever_ends_it_nothing_is_lost(tmp_path: Path, file: Path, end: BaseException | None) -> None:
    path = tmp_path / "s.sqlite"
    try:
        add(path, file, [row("a"), row("b", Outcome.FAIL)], end)
    except BaseException as error:
        assert error is end
    else:
        assert end is None
    assert keys(path) == ["a", "b"]


@pytest.mark.parametrize("end", ENDS, ids=repr)
def test_what_was_red_in_an_environment_that_is_gone_is_not_stored(
    tmp_path: Path, file: Path, end: BaseException | None
) -> None:
    """And it is told, also where one worker's trouble ends it: others go on, and would not hear of it."""
    path = tmp_path / "s.sqlite"
    told = EnvironmentLost if end is None or isinstance(end, InfrastructureError) else type(end)
    with pytest.raises(told):
        add(path, file, [row("a"), row("b", Outcome.FAIL), row("c"), row("d", Outcome.UNSUPPORTED)], end, "lost")
    assert keys(path) == ["a", "c"]


def test_nothing_is_stored_of_scenarios_that_were_edited(tmp_path: Path, clock: Clock) -> None:
    root, path = tmp_path / "scenarios", tmp_path / "s.sqlite"
    root.mkdir()
    ground = Ground(installed=Installed({}), work=tmp_path, roots=(root,), sources=stamps((root,)))
    with Store(path) as store, pytest.raises(ScenarioError, match="nothing was stored for a and 1 more"):  # noqa: SIM117
        with Pending(ground, store) as waiting:
            waiting.add(row("a"))
            (root / "new.py").touch()
            clock.now += 1
            waiting.add(row("b"))
    assert keys(path) == []


def test_a_store_that_cannot_be_written_is_told(tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Store, __: CellResult) -> None:
        raise StorageError("database or disk is full")

    monkeypatch.setattr(Store, "put", full)
    with pytest.raises(CompatmatrixError, match="full"):
        add(tmp_path / "s.sqlite", file, [row("a")])
    with pytest.raises(KeyboardInterrupt):
        add(tmp_path / "s.sqlite", file, [row("a")], KeyboardInterrupt())


class Interrupted(Installed):
    """Ctrl-C comes while an environment is looked at, for the first time."""

    looked = 0

    def gone(self) -> str:
        self.looked += 1
        if self.looked == 1:
            raise KeyboardInterrupt
        return super().gone()


def interrupted_while_it_keeps(path: Path, installed: Installed, clock: Clock) -> None:
    """Two results, of which the second comes late and takes the first along; Ctrl-C comes then."""
    ground = Ground(installed=installed, work=path.parent)
    with pytest.raises(KeyboardInterrupt), Store(path) as store, Pending(ground, store) as waiting:
        waiting.add(row("a", Outcome.FAIL))
        clock.now += 1
        waiting.add(row("b"))


def test_an_interrupt_while_they_are_looked_at_loses_nothing(tmp_path: Path, file: Path, clock: Clock) -> None:
    path = tmp_path / "s.sqlite"
    interrupted_while_it_keeps(path, Interrupted({str(file): 0}), clock)
    assert keys(path) == ["a", "b"]


def test_an_interrupt_while_they_are_stored_loses_nothing(
    tmp_path: Path, file: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.sqlite"
    put, calls = Store.put, iter(range(100))

    def interrupted(store: Store, result: CellResult) -> None:
        if next(calls) == 1:
            raise KeyboardInterrupt
        put(store, result)

    monkeypatch.setattr(Store, "put", interrupted)
    interrupted_while_it_keeps(path, Installed({str(file): 0}), clock)
    assert keys(path) == ["a", "b"]
