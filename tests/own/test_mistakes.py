"""A bad scenario file gives one clear error: file, line, what is wrong, and the next step; nothing is run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from compatmatrix import loading, mistakes, roots
from compatmatrix.errors import ScenarioError
from compatmatrix.listings import listing
from tests.own.conftest import SCENARIO, write

ROOT = Path(__file__).parents[2]
HEAD = "from compatprobe import Cell, scenario\n\n\n"
BODY = "def load(cell: Cell) -> None:\n    cell.check('nothing', 0, 0)\n"
COMMA = "write it as a tuple, with a comma"

#: name -> text of the file, line, what is said, and what is advised.
FILES: dict[str, tuple[str, int, str, str]] = {
    "syntax": (HEAD + "@scenario(title='x'\ndef f(:\n", 5, "SyntaxError: invalid syntax", ""),
    "torch at the top": (
        "import torch\n" + SCENARIO,
        1,
        "ModuleNotFoundError: No module named 'torch'",
        "import it inside the scenario's function",
    ),
    "a number for a parameter": (
        SCENARIO.replace('"auto"', "8"),
        4,
        "ValueError: scenario 'load': params['plan']: 8 cannot stand in a cell id",
        "values are short strings, such as '8'",
    ),
    "one string for the values of a parameter": (
        SCENARIO.replace('("auto", "disk")', '"auto"'),
        4,
        "ValueError: scenario 'load': params['plan'] must be a sequence of strings",
        COMMA,
    ),
    "an argument that does not exist": (
        SCENARIO.replace("title=", "timout=3, title="),
        4,
        "TypeError: scenario() got an unexpected keyword argument 'timout'",
        "docs/scenarios.md lists what @scenario takes",
    ),
    "no title": (
        HEAD + "@scenario()\n" + BODY,
        4,
        "TypeError: scenario() missing 1 required keyword-only argument: 'title'",
        "docs/scenarios.md",
    ),
    "a parameter that the function does not take": (
        SCENARIO.replace("plan: str", "plans: str"),
        4,
        "my-model/load: params and the arguments of its function differ: plan, plans",
        "the function takes the cell, and an argument for each key of params",
    ),
    "an argument that no parameter gives": (
        HEAD + "@scenario(title='x')\n" + BODY.replace("cell: Cell", "cell: Cell, *, dtype: str"),
        4,
        "my-model/load: params and the arguments of its function differ: dtype",
        "the function takes the cell",
    ),
    "it cures nothing that there is": (
        HEAD + "@scenario(title='x', cures=('tiny/laod',))\n" + BODY,
        4,
        "my-model/load: cures: no scenario is called 'tiny/laod'. Did you mean 'tiny/load'?",
        "`compatmatrix list` shows their names",
    ),
    "one string for what it cures": (
        HEAD + "@scenario(title='x', cures='tiny/load')\n" + BODY,
        4,
        "my-model/load: cures must be a sequence of strings",
        COMMA,
    ),
    "one string for what it needs": (
        HEAD + "@scenario(title='x', needs='cuda')\n" + BODY,
        4,
        "my-model/load: needs must be a sequence of strings",
        COMMA,
    ),
    "a timeout in words": (
        HEAD + "@scenario(title='x', timeout='ten')\n" + BODY,
        4,
        "my-model/load: timeout is 'ten'",
        "a number of seconds",
    ),
    "a title that is none": (HEAD + "@scenario(title=None)\n" + BODY, 4, "my-model/load: title is None", "one line"),
    "the same id twice": (
        SCENARIO
        + SCENARIO.replace("from compatprobe import Cell, scenario\n", "")
        .replace("def load", "def again")
        .replace("title=", "name='load', title="),
        10,
        "my-model/load: the same id as in my_model.py:4",
        "give one of them another name",
    ),
    "a helper module that is not there": (
        SCENARIO + "    from scenarios.common.helpers import ANSWER\n",
        8,
        "there is no module scenarios.common.helpers",
        "",
    ),
    "a helper that is not there": (
        SCENARIO + "    from scenarios.common.helper import ANSWERS\n",
        8,
        "scenarios.common.helper has no ANSWERS",
        "",
    ),
    "a name that compatprobe does not have": (
        SCENARIO + "    from compatprobe import Cells\n",
        8,
        "compatprobe has no Cells",
        "",
    ),
    "a helper beside a single file": (
        SCENARIO + "    from . import _helper\n",
        8,
        "scenarios_1.my_model has no _helper",
        "a single file stands alone",
    ),
}


def told(*named: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        loading.discover(roots.gather([Path(name) for name in named], Path(".compatmatrix")))
    return str(caught.value)


@pytest.mark.parametrize("name", FILES)
def test_one_mistake_is_one_clear_error(here: Path, name: str) -> None:
    text, line, message, advice = FILES[name]
    write(here / "my_model.py", text)
    lines = told("my_model.py").splitlines()
    assert lines[0] == "scenario files cannot be used:"
    assert lines[1] == f"  my_model.py:{line}: {message}"
    assert lines[-1] == "  next: correct the files; `compatmatrix check` reads them without running anything"
    assert len(lines) == (4 if advice else 3), lines
    assert advice in lines[2]


def test_scenarios_here_hide_the_shipped_helpers_and_that_is_told(here: Path) -> None:
    write(here / "my_model.py", SCENARIO + "    from scenarios.common import helper\n")
    (here / "scenarios" / "common" / "helper.py").unlink()
    (here / "scenarios" / "common").rmdir()
    assert "my_model.py:8: there is no module scenarios.common\n    scenarios/ in this directory takes" in told(
        "my_model.py"
    )


@pytest.mark.parametrize(
    "given", ['"mine.module"', '("mine.module")', '("json", 3)', "tuple(NAMES)", "None", "{'json'}", "(*NAMES, 'json')"]
)
def test_what_is_imported_once_is_written_out(here: Path, given: str) -> None:
    write(here / "mine" / "my_model" / "load.py")
    start = write(here / "mine" / "my_model" / "__init__.py", f'NAMES = ["json"]\nWARM = {given}\n')
    lines = told("mine").splitlines()
    assert lines[1] == "  mine/my_model/__init__.py:2: WARM must be a tuple or a list of strings"
    assert COMMA in lines[2]
    assert len(lines) == 4
    for right in ('("json",)', '["json", "ast"]', "()"):
        start.write_text(f"WARM = {right}\n")
        loading.discover(roots.gather([Path("mine")], Path(".compatmatrix")))


def test_every_mistake_is_told_once_by_place(here: Path) -> None:
    write(here / "mine" / "b" / "two.py", "import torch\nfrom scenarios.common import gone\n")
    write(here / "mine" / "a" / "one.py", "from scenarios.common import gone\n")
    found = [line for line in told("mine").splitlines() if line.startswith("  mine")]
    assert found == [
        "  mine/a/one.py:1: ImportError: cannot import name 'gone' from 'scenarios.common' (unknown location)",
        "  mine/b/two.py:1: ModuleNotFoundError: No module named 'torch'",
        "  mine/b/two.py:2: scenarios.common has no gone",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "    import json\n    from pathlib import Path\n    import torch\n    from not_here import x\n",
        "    from scenarios.common import helper\n    from scenarios.common.helper import ANSWER\n",
        "    import scenarios.common.helper\n    from scenarios.tiny.load import load\n",
        "    try:\n        from scenarios.common import gone\n    except ImportError:\n        gone = None\n",
    ],
)
def test_what_can_be_imported_is_no_mistake(here: Path, text: str) -> None:
    write(here / "my_model.py", SCENARIO + text)
    assert len(loading.discover(roots.gather([Path("my_model.py")], Path(".compatmatrix")))[0]) == 2


def test_helpers_of_a_root_of_ones_own_are_imported_relatively(here: Path) -> None:
    write(
        here / "mine" / "my_model" / "load.py",
        SCENARIO + "    from . import _a\n    from ._a import X\n    from ..common.b import Y\n",
    )
    write(here / "mine" / "my_model" / "_a.py", "class X:\n    pass\n")
    write(here / "mine" / "common" / "b.py", "from my_dependency import y as Y\n")
    assert len(loading.discover(roots.gather([Path("mine")], Path(".compatmatrix")))[0]) == 2
    write(here / "mine" / "my_model" / "_a.py", "class Z:\n    pass\n")
    assert "mine/my_model/load.py:9: scenarios_1.my_model._a has no X" in told("mine")


def test_the_shipped_files_have_no_mistakes() -> None:
    """They are not read each time; here they are, and show at once that nothing right is called wrong."""
    shipped = roots.shipped()
    entries = listing([shipped])["scenarios"]
    assert len(entries) > 60
    assert list(mistakes.texts([shipped], entries, skip=Path("/nowhere"))) == []
    assert list(mistakes.values([shipped], entries)) == []


def test_a_file_that_ends_the_process_is_told(here: Path) -> None:
    write(here / "my_model.py", "import os\nos._exit(3)\n")
    assert told("my_model.py").startswith("the process that imports the scenario files ended with status 3:\n")


@pytest.mark.parametrize(
    "command",
    [
        ["check"],
        ["list"],
        ["run"],
        ["report"],
        ["column", "1.0"],
        ["environment", "1.0"],
        ["bisect", "x", "--bad", "1"],
    ],
    ids=lambda command: command[0],
)
def test_every_command_that_takes_scenarios_says_the_same(here: Path, command: list[str]) -> None:
    write(here / "matrix.yaml", 'python: "3.11"\nversions: [{id: "1.0", sources: [{pypi: "1.0"}]}]\n')
    write(here / "my_model.py", "import torch\n")
    done = subprocess.run(
        [sys.executable, "-m", "compatmatrix", *command, "--scenarios", "my_model.py"],
        cwd=here,
        env={"PYTHONPATH": str(ROOT / "src"), "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[:2] == [
        "compatmatrix: scenario files cannot be used:",
        "  my_model.py:1: ModuleNotFoundError: No module named 'torch'",
    ]
