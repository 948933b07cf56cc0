"""What is told must have been measured: repetitions that died, flips by chance, changes that make nothing well."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from compatmatrix import bisect_stages, repeats, sweep_sheet, sweep_stages
from compatmatrix.bisect import Found, Judge
from compatmatrix.bisect_git import Line
from compatmatrix.blame import Tried, _verdict
from compatmatrix.errors import Exit, InfrastructureError, StorageError
from compatmatrix.flips import Belief, Change, Flip, Place, Seen, Sheet
from compatmatrix.local import Work
from compatmatrix.plan import definition
from compatmatrix.releases import Release, public
from compatmatrix.results import Column, Machine, Outcome
from compatmatrix.settings import Settings
from compatmatrix.store import Store
from compatmatrix.sweep import Ended, Executor
from tests.core.factories import result, scenario
from tests.sweep.test_sweep import plan_of

NOW = datetime(2026, 1, 1, tzinfo=timezone.utc)
CELL = "llama/plain"


class World:
    """Two releases, a cell that passes in the first and is wrong in the second, and what repeating it comes to."""

    def __init__(self, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = {"1": Seen(Outcome.PASS, "p", key="k1"), "2": Seen(Outcome.WRONG, "w", key="k2")}
        self.now = {version: dataclasses.replace(seen, measured_at=NOW) for version, seen in self.now.items()}
        self.columns = {version: Column(version=version, lock_hash=version) for version in self.now}
        self.repeat: dict[str, list[Outcome | Exit]] = {}
        job = SimpleNamespace(plan=None, settings=Settings(root=state, state=state, scenario_roots=()))
        self.series = sweep_stages.Series(specifier="", releases=(), job=job, arguments=())  # type: ignore[arg-type]
        with Store(job.settings.store) as store:
            for column in self.columns.values():
                store.put_column(column)
        monkeypatch.setattr(sweep_stages, "Local", lambda *_: self)
        monkeypatch.setattr(sweep_stages, "Sweep", lambda *given: SimpleNamespace(run=partial(self.run, given[2])))
        monkeypatch.setattr(sweep_sheet, "cells_of", lambda plan, column, store: {CELL: self.now[column.version]})

    @property
    def sheet(self) -> Sheet:
        places = tuple(Place(version=version, column=column) for version, column in self.columns.items())
        cells = {CELL: tuple(self.now.values())}
        return Sheet(specifier="", places=places, scenarios=(scenario(CELL),), cells=cells)

    @staticmethod
    def run(executor: Executor, cells: dict[str, list[str]]) -> None:
        """What a sweep does where all goes well: every column once."""
        for version, some in cells.items():
            executor.column(version, tuple(some))

    def column(self, version: str, cells: tuple[str, ...]) -> Ended:
        """One repetition; what has no entry is left as it was, as where the process died before the cell."""
        what = self.repeat[version].pop(0)
        if isinstance(what, Exit):
            return Ended(what)
        old = self.now[version]
        later = (old.measured_at or NOW) + timedelta(milliseconds=1)
        self.now[version] = Seen(what, what.value[0], key=old.key, measured_at=later)
        return Ended(Exit.OK)

    def confirm(self, changes: Sequence[Change] = tuple(Change)) -> Belief:
        (flip,) = sweep_stages.confirm(self.series, self.sheet, Work(arguments=()), print, changes)
        return flip.belief

    def known(self) -> tuple[Flip, ...]:
        return sweep_stages.all_flips(self.series, self.sheet)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


PASSES: list[Outcome | Exit] = [Outcome.PASS] * 3


def test_what_was_repeated_is_confirmed(world: World) -> None:
    world.repeat = {"1": [*PASSES], "2": [Outcome.WRONG] * 3}
    assert world.confirm() is Belief.CONFIRMED


def test_a_repetition_that_died_confirms_nothing(world: World) -> None:
    world.repeat = {"1": [*PASSES], "2": [Outcome.WRONG, Exit.DEFECT]}
    with pytest.raises(InfrastructureError, match="2 ended with defect"):
        world.confirm()
    assert [flip.belief for flip in world.known()] == [Belief.SEEN]
    world.repeat = {"1": [*PASSES], "2": [Outcome.WRONG] * 3}
    assert world.confirm() is Belief.CONFIRMED


def test_a_row_that_is_not_new_is_no_repetition(world: World) -> None:
    world.repeat = {"1": [*PASSES], "2": [Exit.OK] * 3}
    assert world.confirm() is Belief.SEEN


def test_what_the_sweep_saw_counts_after_it_was_replaced(world: World) -> None:
    world.repeat = {"1": [*PASSES], "2": [Outcome.CRASH] * 3}
    assert world.confirm() is Belief.FLAKY
    assert [flip.belief for flip in world.known()] == [Belief.FLAKY], "read anew, when the store holds the repetition"


def test_a_difference_is_kept_where_the_next_repetition_dies(world: World) -> None:
    world.repeat = {"1": [*PASSES], "2": [Outcome.CRASH, Exit.DEFECT]}
    with pytest.raises(InfrastructureError):
        world.confirm()
    assert [flip.belief for flip in world.known()] == [Belief.FLAKY]


def test_what_was_repeated_is_kept_where_another_column_is_interrupted(world: World) -> None:
    world.repeat = {"1": [*PASSES], "2": []}
    with pytest.raises(IndexError):
        world.confirm()
    assert set(repeats.read(world.series.repeats_file)) == {"k1"}


def test_only_changes_of_a_kind_are_repeated(world: World) -> None:
    assert world.confirm([Change.BETTER, Change.BEHAVIOUR]) is Belief.SEEN
    world.repeat = {"1": [*PASSES], "2": [Outcome.WRONG] * 3}
    assert world.confirm([Change.WORSE]) is Belief.CONFIRMED


@pytest.mark.parametrize("text", ['{"k1": "pass:p"}', '["k1"]', "{", '{"k1": [1]}', "\xff"])
def test_remembered_repetitions_are_checked(world: World, text: str) -> None:
    world.series.repeats_file.parent.mkdir(parents=True)
    world.series.repeats_file.write_bytes(text.encode("latin-1"))
    with pytest.raises(StorageError, match="not a map of keys to lists of marks") as caught:
        world.known()
    assert str(caught.value).count("\n") == 1


def test_commits_that_do_otherwise_than_the_releases_name_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    did = {"4.49.0": Outcome.PASS, "4.50.0": Outcome.WRONG, "c0": Outcome.FAIL, "c1": Outcome.FAIL, "c2": Outcome.WRONG}
    line = Line(commits=("c0", "c1", "c2"), subjects=dict.fromkeys(("c0", "c1", "c2"), "subject"))
    clone = SimpleNamespace(update=lambda: None, line=lambda old, new: line)
    monkeypatch.setattr(bisect_stages, "Clone", lambda *_: clone)
    monkeypatch.setattr(bisect_stages, "of_commit", lambda matrix, url, name: SimpleNamespace(name=name))
    job: Any = SimpleNamespace(plan=SimpleNamespace(matrix=None), settings=SimpleNamespace(state="", environ={}))
    candidates: Any = [SimpleNamespace(name="4.49.0"), SimpleNamespace(name="4.50.0")]
    measure: Any = lambda candidate: Seen(did[candidate.name], candidate.name)  # noqa: E731
    judge = Judge(good=measure(candidates[0]), bad=measure(candidates[1]))
    said: list[str] = []
    question = bisect_stages.Question(good="4.49.0", bad="4.50.0", git="u")
    found = Found(good=0, bad=1, skipped=())
    bisect_stages._commits(job, question, candidates, found, measure, judge, said.append)
    assert "c0 does otherwise than 4.49.0" in said[-1]
    assert not any("first bad" in told for told in said)


def test_unsupported_is_not_well() -> None:
    tried = Tried(package="torch", age="oldest", version="1.9", seen=Seen(Outcome.UNSUPPORTED))
    assert "no single one" in _verdict([tried], {"torch": "2.13"})
    outcomes = [Outcome.PASS, Outcome.UNSUPPORTED, Outcome.UNSUPPORTED, Outcome.WRONG]
    listed = [Release(version=f"{number}.0") for number in range(4)]
    candidates: Any = [SimpleNamespace(name=number, outcome=outcome) for number, outcome in enumerate(outcomes)]
    measure: Any = lambda candidate: Seen(candidate.outcome)  # noqa: E731
    asked = bisect_stages.Question(good="", bad="3.0")
    assert bisect_stages._ends(asked, listed, candidates, measure, print) == (0, 3)


def test_a_build_of_a_release_is_not_another_release() -> None:
    listed = [Release(version=each) for each in ("1.0", "1.0+cpu", "2.0+cpu")]
    assert [each.version for each in public(listed)] == ["1.0", "2.0+cpu"]


def test_a_column_of_another_machine_is_not_complete(tmp_path: Path) -> None:
    here = Machine(system="Linux", architecture="x86_64", python="3.11", cpus=1, memory=1)
    there = here.model_copy(update={"architecture": "arm64"})
    plan = dataclasses.replace(plan_of("1.0"), machine=here)
    meant = definition(plan.matrix, plan.versions[0])
    with Store(tmp_path / "s.sqlite") as store:
        for machine, lacking in ((there, {"1.0": 2}), (here, {})):
            column = Column(version="1.0", definition=meant, lock_hash="l", machine=machine)
            store.put_column(column)
            for cell in plan.cells:
                store.put(result(cell.id, "1.0", key=plan.key(column, cell)))
            assert sweep_sheet.missing(plan, store) == lacking
