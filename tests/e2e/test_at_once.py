"""A column beside which a processor is to spare: two of its cells run at once, and nothing else is different."""

import os
import signal
import time

import pytest

from compatmatrix.processors import Processors
from compatmatrix.results import CellResult
from tests.e2e.conftest import Project

MANY = '''\
"""Many cells, each of which takes a while."""
import time

from compatprobe import Cell, scenario


@scenario(title="sleeps", params={"number": tuple(map(str, range(40)))})
def many(cell: Cell, number: str) -> None:
    """Odd ones are wrong."""
    cell.step("sleep")
    time.sleep(0.3)
    cell.fact("number", number)
    cell.check("value", int(number) % 2, 0)
'''
ONCE_MORE = "importing transformers 1.0.0 once more: a processor is free"


@pytest.fixture
def many(project: Project) -> Project:
    project.write_matrix([{"id": "one", "sources": [{"pypi": "1.0.0"}]}])
    (project.directory / "scenarios" / "tiny" / "many.py").write_text(MANY, encoding="utf-8")
    return project


def rows(project: Project) -> list[CellResult]:
    """The results without what differs from one moment to the next."""
    nothing = {"measured_at": None, "seconds": None, "peak_memory": None}
    return [
        row.model_copy(update={**nothing, "steps": tuple((name, 0.0) for name, _ in row.steps)})
        for row in project.latest().results
    ]


def test_two_at_once_give_what_one_after_the_other_gives(many: Project) -> None:
    status, output = many.run("compatmatrix", "run", "--jobs", "1")
    assert status == 3 and ONCE_MORE not in output, output
    alone = rows(many)
    assert sum(row.outcome.value == "wrong" for row in alone) == 20
    environment = many.latest().columns[0].environment
    left = many.directory / ".compatmatrix" / "work" / f"{environment}-0-7" / "home" / "token"
    left.parent.mkdir(parents=True)
    left.write_text("by a run that was killed", encoding="utf-8")
    status, output = many.run("compatmatrix", "run", "--jobs", "2", "--fresh")
    assert status == 3 and ONCE_MORE in output, output
    assert rows(many) == alone
    assert not left.exists()
    assert len({line.split()[1] for line in output.splitlines() if "/43  tiny/" in line}) == 43


def test_ctrl_c_ends_both(many: Project) -> None:
    process = many.start("compatmatrix", "column", "one", "--jobs", "2")
    assert process.stdout is not None
    seen = next((line for line in process.stdout if ONCE_MORE in line), "")
    assert seen
    time.sleep(1)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert time.monotonic() - began < 2.5, output
    assert process.returncode != 0 and "Traceback" not in output
    time.sleep(0.3)
    assert many.processes() == []
    many.run("compatmatrix", "report")
    assert {"pass", "wrong", "not-run"} <= set(many.outcomes()["one"])  # what was measured is there


WAITING = "waiting for a processor"


def test_who_finds_all_processors_in_use_waits_and_can_be_interrupted(many: Project) -> None:
    many.write_matrix(
        [{"id": id, "sources": [{"pypi": release}]} for id, release in (("one", "1.0.0"), ("two", "1.1.0"))]
    )
    with Processors(many.directory / ".compatmatrix" / "processors", 1, memory=0) as other:
        other.wait()
        columns = [many.start("compatmatrix", "column", id, "--jobs", "1") for id in ("one", "two")]
        for process in columns:
            assert process.stdout is not None
            assert any(WAITING in line for line in process.stdout)
        os.killpg(columns[1].pid, signal.SIGINT)
        output, _ = columns[1].communicate(timeout=10)
        assert columns[1].returncode == 130 and "Traceback" not in output
        assert columns[0].poll() is None
        many.run("compatmatrix", "report")
        assert set(many.outcomes()["one"]) == {"not-run"}
    assert columns[0].communicate(timeout=60)[1] is None and columns[0].returncode == 0
    many.run("compatmatrix", "report")
    assert "not-run" not in many.outcomes()["one"]
