"""The scenario file that ``compatmatrix new`` writes, in this environment: it loads, and it finds what is wrong."""

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compatprobe import Cell
from scenarios.common import models

ROOT = Path(__file__).parents[2]
WRITTEN = ROOT / "tests" / "fixtures" / "new" / "my_model.py"


def failing(cell: Cell) -> list[str]:
    assert cell.checks
    return [check["name"] for check in cell.checks if not check["measured"] <= check["limit"]]


@pytest.mark.parametrize("plan", ["plain", "auto", "disk"])
def test_it_passes(tmp_path: Path, plan: str) -> None:
    cell = Cell(f"my-model/load[{plan}]", tmp_path)
    runpy.run_path(str(WRITTEN))["load"].function(cell, plan)
    assert failing(cell) == []
    assert {"tensors", "forward"} <= {check["name"] for check in cell.checks}


def test_the_probe_runs_it_beside_the_shipped_scenarios(tmp_path: Path) -> None:
    link = tmp_path / "own" / "my_model" / "my_model.py"
    link.parent.mkdir(parents=True)
    link.symlink_to(WRITTEN)
    command = [sys.executable, "-I", str(ROOT / "src" / "compatprobe"), "run", "--json", str(ROOT / "scenarios")]
    command += [str(tmp_path / "own"), "my-model/load[disk]"]
    found = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    assert (found["status"], found["exception"]) == ("done", None)
    assert {"tensors", "forward"} <= {check["name"] for check in found["checks"]}


def test_a_checkpoint_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = models.llama(tmp_path / "checkpoint", shards=2)
    monkeypatch.setenv("MY_MODEL", str(made.path))
    yours = runpy.run_path(str(WRITTEN))["yours"]
    assert yours.needs({}) == ("env:MY_MODEL",)
    cell = Cell("my-model/yours", tmp_path)
    yours.function(cell)
    assert failing(cell) == []
    # A model that is not the files' must be found.
    monkeypatch.setattr("scenarios.common.checkpoint.Checkpoint", lambda path, config, tensors: _other(made))
    cell = Cell("my-model/yours", tmp_path)
    yours.function(cell)
    assert failing(cell) == ["tensors"]


def _other(made: Any) -> Any:
    name = next(name for name in made.tensors if name.endswith("q_proj.weight"))
    changed = dict(made.tensors, **{name: made.tensors[name] + 1})
    return type(made)(made.path, made.config, changed)
