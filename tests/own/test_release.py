"""The wheel and the sdist: built, compared, installed where there is nothing else, and used in an empty directory."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from compatmatrix.session import uv_environment
from tests.e2e.conftest import index
from tests.own.conftest import write

__all__ = ["index"]

ROOT = Path(__file__).parents[2]
UV = [sys.executable, "-m", "uv"]
MINE = '''\
from compatprobe import Cell, scenario


@scenario(title="the tiny package loads")
def load(cell: Cell) -> None:
    """It gives a number."""
    cell.equal("value", cell.api("load")("plain"), 7)
'''


def run(command: list[str], *, cwd: Path, environ: Mapping[str, str] | None = None) -> tuple[int, str]:
    environ = {**os.environ, **uv_environment()} if environ is None else environ
    done = subprocess.run(
        command, cwd=cwd, env=dict(environ), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the sdist, and the wheel that was built from it."""
    directory = tmp_path_factory.mktemp("dist")
    status, output = run([*UV, "build", "--out-dir", str(directory), str(ROOT)], cwd=directory)
    assert status == 0, output
    return directory


def content(wheel: Path) -> dict[str, int]:
    """Path -> checksum."""
    with zipfile.ZipFile(wheel) as archive:
        return {each.filename: each.CRC for each in archive.infolist()}


def sources(directory: str) -> list[Path]:
    return [
        path for path in sorted((ROOT / directory).rglob("*")) if path.is_file() and "__pycache__" not in path.parts
    ]


def test_the_wheel_holds_what_a_run_needs_and_nothing_else(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    found = {name for name in content(wheel) if ".dist-info/" not in name}
    wanted = {path.relative_to(ROOT / "src").as_posix() for path in sources("src")}
    wanted -= {"compatmatrix/starter/compatprobe.typed"}
    wanted |= {f"compatmatrix/_shipped/{path.relative_to(ROOT).as_posix()}" for path in sources("scenarios")}
    assert found == wanted | {"compatprobe/py.typed"}
    assert {"compatmatrix/_shipped/scenarios/known_issues.yaml", "virtualcuda/csrc/shim.cpp"} <= found


def test_a_wheel_from_the_tree_is_the_one_from_the_sdist(built: Path, tmp_path: Path) -> None:
    status, output = run([*UV, "build", "--wheel", "--out-dir", str(tmp_path), str(ROOT)], cwd=tmp_path)
    assert status == 0, output
    (wheel,), (other,) = built.glob("*.whl"), tmp_path.glob("*.whl")
    assert content(other) == content(wheel)


def test_the_sdist_has_no_junk(built: Path) -> None:
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = [Path(*Path(name).parts[1:]) for name in archive.getnames()]
    tops = {name.parts[0] for name in names}
    assert tops == {
        *("src", "scenarios", "tests", "benchmarks", "docs", "matrix.yaml", "matrix.schema.json", "noxfile.py"),
        *("README.md", "README.zh-CN.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "pyproject.toml"),
        *(".gitignore", "PKG-INFO"),
    }
    assert [name for name in names if {"__pycache__", "reports", ".compatmatrix"} & set(name.parts)] == []
    assert sdist.stat().st_size < 2_000_000


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment that has the wheel, what it asks for, and nothing else."""
    directory = tmp_path_factory.mktemp("installed") / "venv"
    (wheel,) = built.glob("*.whl")
    for command in (
        ["venv", str(directory)],
        ["pip", "install", "--python", str(directory / "bin/python"), str(wheel)],
    ):
        status, output = run([*UV, *command], cwd=built)
        assert status == 0, output
    assert not list(directory.glob("lib/*/site-packages/torch"))
    return directory / "bin"


def test_an_empty_directory_becomes_a_project_that_runs(installed: Path, index: Path, tmp_path: Path) -> None:
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_", "NOX", "PYTHON"))},
        "PATH": f"{installed}{os.pathsep}{os.environ['PATH']}",
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": str(index),
        "PIP_NO_INDEX": "1",
        "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
        "NO_COLOR": "1",
    }
    here = tmp_path / "here"
    here.mkdir()

    def call(*command: str) -> str:
        status, output = run(list(command), cwd=here, environ=environ)
        assert status == 0, output
        return output

    assert "wrote matrix.yaml" in call("compatmatrix", "init")
    assert sorted(path.name for path in here.iterdir()) == ["matrix.schema.json", "matrix.yaml", "noxfile.py"]
    shipped = len([path for path in sources("scenarios") if path.suffix == ".py"])
    assert shipped > 50
    assert ": no mistakes" in call("compatmatrix", "check")
    assert "llama/auto-model[tied,disk]" in call("compatmatrix", "list")
    assert "* column(4.46.3)" in call("nox", "--list")

    file = here / "matrix.yaml"
    matrix = yaml.safe_load(file.read_text())
    matrix["python"] = f"{sys.version_info.major}.{sys.version_info.minor}"
    matrix["versions"] = [{"id": "1.0.0", "sources": [{"pypi": "1.0.0"}]}]
    for each in matrix["companions"]:
        each["requirement"] = "==1.0.0"
    file.write_text(yaml.safe_dump(matrix))
    write(here / "mine.py", MINE)
    output = call("nox", "-s", "matrix", "--", "--scenarios", "mine.py", "mine")
    assert "1 cells planned, 1 passed" in output
    assert (here / ".compatmatrix" / "selection" / "index.html").exists()
    # A shipped scenario is found and run too; the tiny package has nothing of what it needs.
    status, output = run(["compatmatrix", "run", "llama/plain[tied,float32,bin]"], cwd=here, environ=environ)
    assert "1 cells planned, 0 passed, 1 red" in output
    assert status == 3
