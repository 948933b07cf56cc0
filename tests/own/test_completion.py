"""Completion in a real bash: commands, options, versions from matrix.yaml, cells as the last command found them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from compatmatrix.cli import cli
from compatmatrix.cli.starting import SHELLS
from tests.own.conftest import write

ROOT = Path(__file__).parents[2]
VERSIONS = "versions: [{id: '1.0', sources: [{pypi: '1.0'}]}, {id: main, sources: [{pypi: newest}]}]\n"


@pytest.fixture
def project(here: Path) -> Path:
    """A project in which a command was run before, and a ``compatmatrix`` that can be called by its name."""
    write(here / "matrix.yaml", f"python: '3.11'\n{VERSIONS}")
    program = write(here / "bin" / "compatmatrix", f'#!/bin/sh\nexec "{sys.executable}" -m compatmatrix "$@"\n')
    program.chmod(0o755)
    assert bash(here, "compatmatrix check").returncode == 0
    return here


def bash(project: Path, script: str) -> subprocess.CompletedProcess[str]:
    environ = {"PATH": f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}
    command = ["bash", "--norc", "-c", script]
    return subprocess.run(command, cwd=project, env=environ, capture_output=True, text=True, check=False)


def offered(project: Path, *words: str) -> list[str]:
    """What bash offers after TAB behind these words, the last of which is unfinished."""
    quoted = " ".join(f"'{word}'" for word in ("compatmatrix", *words))
    done = bash(
        project,
        'eval "$(compatmatrix completion bash)"\n'
        f"COMP_WORDS=({quoted}); COMP_CWORD={len(words)}\n"
        "_compatmatrix_completion compatmatrix\n"
        'printf "%s\\n" "${COMPREPLY[@]}"',
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def test_commands_and_options(project: Path) -> None:
    assert offered(project, "co") == ["column", "completion"]
    assert offered(project, "run", "--is") == ["--isolation"]
    assert offered(project, "run", "--isolation", "") == ["fork", "spawn"]


def test_versions_come_from_matrix_yaml(project: Path) -> None:
    assert offered(project, "column", "") == ["1.0", "main"]
    assert offered(project, "run", "--versions", "main,") == ["main,1.0"]


def test_cells_come_from_the_last_command(project: Path) -> None:
    assert offered(project, "run", "") == ["tiny", "tiny/load"]
    assert offered(project, "run", "--cells", "tiny/load[d") == ["tiny/load[disk]"]
    assert offered(project, "bisect", "tiny/load") == ["tiny/load", "tiny/load[auto]", "tiny/load[disk]"]
    shutil.rmtree(project / ".compatmatrix")
    (project / "matrix.yaml").unlink()
    assert offered(project, "run", "") == offered(project, "column", "") == [], "no trouble where nothing is known"


def test_nothing_is_listed_or_imported_for_it(project: Path) -> None:
    write(project / "scenarios" / "tiny" / "load.py", "raise SystemExit('imported')\n")
    assert offered(project, "run", "tiny/") == ["tiny/load"]


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_has_a_script_and_an_instruction(shell: str) -> None:
    done = CliRunner().invoke(cli, ["completion", shell])
    assert done.exit_code == 0
    assert "_COMPATMATRIX_COMPLETE" in done.output
    assert f"compatmatrix completion {shell}" in (cli.commands["completion"].help or "")
