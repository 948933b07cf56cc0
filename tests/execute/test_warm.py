"""What a family has imported once, before any of its cells is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from compatmatrix.execute import Limits, Probe, ProbeStartError
from tests.fixtures.environments import PROBE

_CELL = '''
import sys
from compatprobe import Cell, scenario

#: Of the start of the process, not of this file: what was imported before the cell was asked for.
@scenario(title="says what it found")
def found(cell: Cell) -> None:
    """The fact: whether the helper had been imported before this function asked for it."""
    cell.fact("warm", "scenarios.one._helper" in sys.modules)
    cell.check("ran", 0, 0)
'''


def _root(tmp_path: Path, warm: str, helper: str = "") -> Path:
    root = tmp_path / "scenarios"
    (root / "one").mkdir(parents=True)
    (root / "one" / "__init__.py").write_text(f"WARM = {warm}\n")
    (root / "one" / "_helper.py").write_text(helper)
    (root / "one" / "file.py").write_text(_CELL)
    (root / "two").mkdir()
    (root / "two" / "__init__.py").write_text("raise RuntimeError('this family is broken')\n")
    return root


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
@pytest.mark.parametrize(("warm", "expected"), [("('scenarios.one._helper',)", True), ("()", False)])
def test_named_modules_are_there_before_a_cell(
    python: Path, tmp_path: Path, isolation: str, warm: str, expected: bool
) -> None:
    with Probe(python, PROBE, [_root(tmp_path, warm)], tmp_path / "slot", isolation=isolation) as probe:
        record = probe.run("one/found", Limits(timeout=30)).record
    assert record is not None
    assert record["status"] == "done", record
    assert record["fingerprint"]["warm"] is expected


def test_a_module_that_cannot_be_imported_costs_nothing_but_is_told(python: Path, tmp_path: Path) -> None:
    root = _root(tmp_path, "('scenarios.one._helper', 'no.such.module')", "raise OSError('on its way')")
    with Probe(python, PROBE, [root], tmp_path / "slot") as probe:
        record = probe.run("one/found", Limits(timeout=30)).record
        not_warmed = probe.ready.not_warmed
    assert record is not None
    assert record["status"] == "done", record
    assert not_warmed["scenarios.one._helper"] == "OSError: on its way"
    assert not_warmed["no.such.module"].startswith("ModuleNotFoundError")


def test_a_module_that_ends_the_process_is_named(python: Path, tmp_path: Path) -> None:
    root = _root(tmp_path, "('scenarios.one._helper',)", "import os; os._exit(3)")
    with (
        pytest.raises(ProbeStartError, match=r"the process died .* while it imported scenarios\.one\._helper"),
        Probe(python, PROBE, [root], tmp_path / "slot"),
    ):
        pass
