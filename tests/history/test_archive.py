"""The files of the history: appended, never written over; damage costs a line, never a report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compatmatrix import archive, comparison
from compatmatrix.errors import StorageError
from compatmatrix.history import Snapshot, snapshot
from compatmatrix.results import Outcome

from . import factory

RED = factory.row("gemma3/text", "main", Outcome.FAIL)


def names(report: Path) -> list[str]:
    return sorted(path.name for path in (report / "runs").iterdir())


def test_runs_are_appended_and_read_again(tmp_path: Path) -> None:
    runs = [snapshot(factory.run(0)), snapshot(factory.run(1, RED))]
    for each in runs:
        archive.append(tmp_path, each)
    history, trouble = archive.read(tmp_path)
    assert history.snapshots == tuple(runs) and not trouble
    assert names(tmp_path) == ["index.json", "run-0.json", "run-1.json"]
    assert json.loads((tmp_path / "runs/index.json").read_text())["runs"] == ["run-1.json", "run-0.json"]


def test_a_run_that_is_there_is_passed_over(tmp_path: Path) -> None:
    archive.append(tmp_path, snapshot(factory.run(0)))
    before = (tmp_path / "runs/run-0.json").stat()
    archive.append(tmp_path, snapshot(factory.run(0)))
    assert (tmp_path / "runs/run-0.json").stat().st_mtime_ns == before.st_mtime_ns
    assert (tmp_path / "runs/run-0.json").stat().st_ino == before.st_ino


def test_another_run_of_the_same_id_is_refused(tmp_path: Path) -> None:
    archive.append(tmp_path, snapshot(factory.run(0)))
    text = (tmp_path / "runs/run-0.json").read_text()
    with pytest.raises(StorageError, match="never written over"):
        archive.append(tmp_path, snapshot(factory.run(0, RED)))
    assert (tmp_path / "runs/run-0.json").read_text() == text
    assert names(tmp_path) == ["index.json", "run-0.json"], "nothing half-written stays"


def test_a_run_that_says_the_same_is_a_few_lines_and_one_a_day(tmp_path: Path) -> None:
    for number in (0, 1, 2):
        archive.append(tmp_path, snapshot(factory.run(number)))
    again = snapshot(factory.run(2)).model_copy(update={"id": "rendered-again"})
    archive.append(tmp_path, again)
    assert names(tmp_path) == ["index.json", "run-0.json", "run-1.json", "run-2.json"]
    assert all((tmp_path / f"runs/run-{n}.json").stat().st_size < 300 for n in (1, 2))
    history, trouble = archive.read(tmp_path)
    assert not trouble
    assert [each.cells for each in history.snapshots] == [snapshot(factory.run(0)).cells] * 3
    point = history.timeline("main", "gemma3/text")[0]
    assert (point.run, point.last, point.runs) == ("run-0", "run-2", 3)


@pytest.mark.parametrize("damage", ["", "{", "[]", "\x00\x01", '{"schema": 1}', '{"schema": 9, "id": "run-1"}'])
def test_a_damaged_file_is_named_and_left_out(tmp_path: Path, damage: str) -> None:
    for number in (0, 1):
        archive.append(tmp_path, snapshot(factory.run(number, *([RED] if number else []))))
    (tmp_path / "runs/run-1.json").write_text(damage)
    history, trouble = archive.read(tmp_path)
    assert [each.id for each in history.snapshots] == ["run-0"]
    assert "run-1.json" in trouble and "next:" in trouble and len(trouble.splitlines()) == 2


def test_a_file_under_another_name_and_a_lost_original_are_named(tmp_path: Path) -> None:
    for number in (0, 1):
        archive.append(tmp_path, snapshot(factory.run(number)))
    (tmp_path / "runs/run-0.json").rename(tmp_path / "runs/other.json")
    history, trouble = archive.read(tmp_path)
    assert not history
    assert "other.json: it is about the run run-0" in trouble
    assert "run-1.json: it says the same as run run-0, which is not there" in trouble


def test_no_history_is_no_trouble(tmp_path: Path) -> None:
    history, trouble = archive.read(tmp_path)
    assert not history and not trouble


def _short(id: str, same_as: str) -> str:
    return json.dumps({"schema": 1, "id": id, "finished": "2026-01-01T00:00:00Z", "same_as": same_as})


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"a": '{"schema": 1, "id": "a", "finished": "2026-01-02T00:00:00"}'}, "timezone"),
        ({"a": _short("a", "a")}, "it says the same as itself"),
        ({"a": _short("a", "../../etc/passwd")}, "same_as: String should match pattern"),
        ({"a": _short("a", "b"), "b": _short("b", "a")}, "which is not there"),
    ],
)
def test_no_file_leads_nowhere_or_to_itself(tmp_path: Path, files: dict[str, str], message: str) -> None:
    archive.append(tmp_path, snapshot(factory.run(0)))
    for name, text in files.items():
        (tmp_path / f"runs/{name}.json").write_text(text)
    history, trouble = archive.read(tmp_path)
    assert [each.id for each in history.snapshots] == ["run-0"]
    assert message in trouble
    with pytest.raises(StorageError):
        comparison.runs(str(tmp_path / "runs/a.json"), str(tmp_path / "runs/run-0.json"), (), tmp_path)


def test_a_run_without_columns_is_not_complete() -> None:
    assert snapshot(factory.run(0)).complete
    assert not Snapshot.from_json(_short("a", "b")).complete


@pytest.mark.parametrize(
    ("field", "message"),
    [
        (("finished",), "finished: 2026-01-01T00:00:00 has no time zone"),
        (("results", 0, "measured_at"), "measured_at: 2026-01-01T00:00:00 has no time zone"),
        (("columns", 0, "resolved_at"), "columns.4.46.3.resolved_at: 2026-01-01T00:00:00 has no time zone"),
        (("results", 0, "outcome"), "results.0.outcome: Input should be"),
    ],
)
def test_a_damaged_run_is_named_with_its_field(tmp_path: Path, field: tuple[str | int, ...], message: str) -> None:
    run = json.loads(factory.run(0).to_json())
    part = run
    for key in field[:-1]:
        part = part[key]
    part[field[-1]] = "2026-01-01T00:00:00"
    path = tmp_path / "latest.json"
    path.write_text(json.dumps(run))
    with pytest.raises(StorageError, match=message):
        archive.read_run(path)
    with pytest.raises(StorageError, match=message):
        comparison.runs(str(path), str(path), (), tmp_path)
