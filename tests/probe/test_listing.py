"""Discovery: what ``list`` says of scenario files, good and broken."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.environments import FAILING, PROBE

GOOD = """
from compatprobe import Cell, scenario

@scenario(title="It loads", params={"kind": ("tied", "untied")}, needs=lambda kind: ("cuda",) if kind == "tied" else ())
def load_it(cell: Cell, kind: str) -> None:
    '''What must hold.'''
    from scenarios.common.helper import VALUE
"""


def listing(tmp_path: Path, *roots: Path) -> dict[str, Any]:
    out = tmp_path / "listing.json"
    command = [sys.executable, "-I", str(PROBE), "list", *map(str, roots), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root of scenarios with one good file; it needs no ``__init__.py``, nor to be called scenarios."""
    write(tmp_path / "things", "mini_gemini/load.py", GOOD)
    write(tmp_path / "things", "common/helper.py", "VALUE = 1\n")
    return tmp_path / "things"


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def test_what_is_said_of_a_scenario(tmp_path: Path, root: Path) -> None:
    found = listing(tmp_path, root)
    assert found["errors"] == []
    (entry,) = found["scenarios"]
    assert len(entry.pop("source_hash")) == len(found["probe_hash"]) == 64
    assert entry == {
        "id": "mini-gemini/load-it",
        "title": "It loads",
        "family": "mini-gemini",
        "doc": "What must hold.",
        "file": "mini_gemini/load.py",
        "line": 4,
        "params": {"kind": ["tied", "untied"]},
        "variants": [
            {"label": "[tied]", "params": {"kind": "tied"}, "needs": ["cuda"]},
            {"label": "[untied]", "params": {"kind": "untied"}, "needs": []},
        ],
        "claims": [],
        "cures": [],
        "timeout": None,
    }


def test_the_fixtures_are_listed(tmp_path: Path) -> None:
    found = listing(tmp_path, FAILING)
    assert found["errors"] == []
    entries = {entry["id"]: entry for entry in found["scenarios"]}
    assert {entry["family"] for entry in entries.values()} == {"good", "ends"}
    assert entries["good/passes"]["claims"] == ["C1.1"]
    assert entries["good/passes"]["timeout"] == 20
    assert len(entries["good/passes"]["variants"]) == 4


BROKEN = [
    ("import torch\n\ndef f(:\n", 3, "SyntaxError"),
    ("x = 1\nimport not_installed_anywhere\n", 2, "ModuleNotFoundError: No module named 'not_installed_anywhere'"),
    ("import sys\n\n\nsys.exit(4)\n", 4, "SystemExit: 4"),
    ("def f():\n    1 / 0\n\nf()\n", 2, "ZeroDivisionError"),
    ("from scenarios.common import nothing\n", 1, "ImportError"),
    (GOOD.replace('"tied", "untied"', '"a,b",'), 4, "ValueError: scenario 'load-it': params['kind']: 'a,b' cannot"),
    (GOOD.replace("needs=lambda kind", "needs=lambda other"), 1, "TypeError"),
    (GOOD.replace("title=", "exclude=lambda kind: True, title="), 1, "ValueError: scenario 'load-it': exclude leaves"),
]


@pytest.mark.parametrize(("text", "line", "message"), BROKEN, ids=[message.split(":")[0] for _, _, message in BROKEN])
def test_a_broken_file_is_an_error_and_the_others_are_listed(
    tmp_path: Path, root: Path, text: str, line: int, message: str
) -> None:
    write(root, "broken/file.py", text)
    found = listing(tmp_path, root)
    (error,) = found["errors"]
    assert (error["file"], error["line"]) == ("broken/file.py", line)
    assert error["message"].startswith(message)
    assert [entry["id"] for entry in found["scenarios"]] == ["mini-gemini/load-it"]


def test_an_id_that_is_there_twice(tmp_path: Path, root: Path) -> None:
    write(root, "mini_gemini/second.py", GOOD)
    found = listing(tmp_path, root)
    assert found["errors"] == [
        {
            "file": "mini_gemini/second.py",
            "line": 4,
            "message": "mini-gemini/load-it: the same id as in mini_gemini/load.py:4",
        }
    ]


def test_helpers_and_imported_scenarios_are_not_listed(tmp_path: Path, root: Path) -> None:
    write(root, "mini_gemini/_helper.py", "raise RuntimeError('never imported')\n")
    write(root, "_hidden/file.py", "raise RuntimeError('never imported')\n")
    write(root, "common/deep/file.py", "raise RuntimeError('never imported')\n")
    write(root, "mini_gemini/again.py", "from scenarios.mini_gemini.load import load_it\n")
    found = listing(tmp_path, root)
    assert found["errors"] == []
    assert [entry["file"] for entry in found["scenarios"]] == ["mini_gemini/load.py"]


def test_a_second_root_has_a_name_of_its_own(tmp_path: Path, root: Path) -> None:
    write(tmp_path / "other", "extra/load.py", GOOD.replace("scenarios.common", "scenarios_1.common"))
    write(tmp_path / "other", "extra/beside.py", "import scenarios_1.extra.load\nimport scenarios.mini_gemini.load\n")
    found = listing(tmp_path, root, tmp_path / "other")
    assert found["errors"] == []
    assert [entry["id"] for entry in found["scenarios"]] == ["mini-gemini/load-it", "extra/load-it"]


def test_what_a_file_prints_is_not_the_listing(tmp_path: Path, root: Path) -> None:
    write(root, "mini_gemini/loud.py", "print('loud')\n")
    assert len(listing(tmp_path, root)["scenarios"]) == 1


CHANGES = [
    ("mini_gemini/load.py", GOOD + "\n# a comment\n", True),
    ("common/helper.py", "VALUE = 2\n", True),
    ("common/__init__.py", "", True),
    ("common/other.py", "", False),
    ("mini_gemini/other.py", "", False),
]


@pytest.mark.parametrize(("name", "text", "changes"), CHANGES, ids=[name for name, _, _ in CHANGES])
def test_the_hash_is_over_what_the_scenario_imports(
    tmp_path: Path, root: Path, name: str, text: str, changes: bool
) -> None:
    before = listing(tmp_path, root)["scenarios"][0]["source_hash"]
    write(root, name, text)
    assert (listing(tmp_path, root)["scenarios"][0]["source_hash"] != before) is changes


@pytest.mark.parametrize(
    "statement",
    [
        "from scenarios.common.deep import a",
        "import scenarios.common.deep.a",
        "from ..common.deep import a",
        "from ..common.deep.a import x",
        "__import__('importlib').import_module('scenarios.common.deep.a')",
        "from scenarios.common.through import b",
    ],
)
def test_every_way_to_import_counts(tmp_path: Path, root: Path, statement: str) -> None:
    write(root, "common/deep/a.py", "x = 1\n")
    write(root, "common/through.py", "from .deep import a as b\n")
    write(root, "mini_gemini/load.py", GOOD + f"    {statement}\n")
    before = listing(tmp_path, root)["scenarios"][0]["source_hash"]
    write(root, "common/deep/a.py", "x = 2\n")
    assert listing(tmp_path, root)["scenarios"][0]["source_hash"] != before
