"""Byte code is taken over for the same file only."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from compatmatrix.environment import adopt_byte_code
from tests.environment.conftest import World
from tests.environment.test_environment import imported


def _compiled(built: Path, package: str) -> Path:
    site = next(built.glob("lib/python*/site-packages"))
    return next((site / package).glob("__pycache__/__init__*.pyc"), site / "none")


def test_another_environment_takes_over_what_was_compiled_of_the_same_files(world: World) -> None:
    world.companions = [{"package": "torch", "requirement": "==2.13.0", "why": "the same in both"}]
    first = world.build(world.resolve({"pypi": "1.0"}))
    subprocess.run([str(first.python), "-I", "-c", "import torch, transformers"], check=True)
    second = world.build(world.resolve({"pypi": "1.1"}))
    adopt_byte_code(second)
    theirs, ours = _compiled(first.path, "torch"), _compiled(second.path, "torch")
    assert theirs.samefile(ours)
    assert not _compiled(second.path, "transformers").exists(), "another version's file is another file"
    assert imported(second) == "1.1"
    subprocess.run([str(second.python), "-I", "-c", "import torch"], check=True)
    assert theirs.samefile(ours), "Python took it: what it refuses it compiles and writes anew"


def test_what_was_changed_since_is_not_taken_over(world: World) -> None:
    world.companions = [{"package": "torch", "requirement": "==2.13.0", "why": "the same in both"}]
    first = world.build(world.resolve({"pypi": "1.0"}))
    subprocess.run([str(first.python), "-I", "-c", "import torch"], check=True)
    source = _compiled(first.path, "torch").parents[1] / "__init__.py"
    source.rename(source.with_suffix(".old"))
    source.write_text("__version__ = 'changed by hand'\n")
    os.utime(source, (0, 0))
    second = world.build(world.resolve({"pypi": "1.1"}))
    adopt_byte_code(second)
    assert not _compiled(second.path, "torch").exists()


def test_environments_that_wait_to_be_used_hide_none_that_was(world: World) -> None:
    world.companions = [{"package": "torch", "requirement": "==2.13.0", "why": "the same in all"}]
    first = world.build(world.resolve({"pypi": "1.0"}))
    subprocess.run([str(first.python), "-I", "-c", "import torch"], check=True)
    os.utime(first.path, (0, 0))
    for number in range(3):
        shutil.copytree(first.path, first.path.with_name(f"later-{number}"), ignore=shutil.ignore_patterns("*.pyc"))
    second = world.build(world.resolve({"pypi": "1.1"}))
    adopt_byte_code(second)
    assert _compiled(first.path, "torch").samefile(_compiled(second.path, "torch"))
