"""A working directory with scenarios of its own, so that the shipped ones need not be listed each time."""

from pathlib import Path

import pytest

SCENARIO = '''\
from compatprobe import Cell, scenario


@scenario(title="It loads", params={"plan": ("auto", "disk")})
def load(cell: Cell, plan: str) -> None:
    """What must hold."""
    cell.check("nothing", 0, 0)
'''


def write(path: Path, text: str = SCENARIO) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory; its ``scenarios/`` is the first root, with the family ``tiny`` and a helper."""
    directory = tmp_path / "here"
    write(directory / "scenarios" / "tiny" / "load.py")
    write(directory / "scenarios" / "common" / "helper.py", "ANSWER = 42\n")
    monkeypatch.chdir(directory)
    return directory
