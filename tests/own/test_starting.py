"""What ``init`` and ``new`` write works at once, and replaces nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from compatmatrix import loading, roots, starting
from compatmatrix.errors import InputError, StorageError
from compatmatrix.matrix import Matrix

ROOT = Path(__file__).parents[2]
WRITTEN = ROOT / "tests" / "fixtures" / "new" / "my_model.py"


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "empty"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


def test_a_project_in_an_empty_directory(empty: Path) -> None:
    assert starting.project(Path()) == [Path("matrix.yaml"), Path("matrix.schema.json"), Path("noxfile.py")]
    matrix = loading.load_matrix(Path("matrix.yaml"))
    assert [version.id for version in matrix.versions] == ["4.46.3", "newest"]
    first = Path("matrix.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert Path(first.removeprefix("# yaml-language-server: $schema=")).read_bytes() == (
        (ROOT / "matrix.schema.json").read_bytes()
    )
    listed = subprocess.run([sys.executable, "-m", "nox", "--list"], capture_output=True, text=True, check=True).stdout
    for session in ("* matrix", "* column(4.46.3)", "* column(newest)", "- sweep"):
        assert session in listed


def test_its_companions_are_those_that_are_tested_here() -> None:
    def companions(file: Path) -> dict[str, str]:
        matrix = Matrix.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
        return {each.package: each.requirement for each in matrix.companions}

    starter = ROOT / "src" / "compatmatrix" / "starter" / "matrix.yaml.in"
    assert companions(starter) == companions(ROOT / "matrix.yaml")


@pytest.mark.parametrize("name", ["matrix.yaml", "matrix.schema.json", "noxfile.py"])
def test_a_project_replaces_nothing_and_then_writes_nothing(empty: Path, name: str) -> None:
    (empty / name).write_text("mine")
    with pytest.raises(InputError, match=f"already there: {name}; nothing was written"):
        starting.project(Path())
    assert [path.name for path in empty.iterdir()] == [name]
    assert (empty / name).read_text() == "mine"


def test_a_project_in_another_directory(empty: Path) -> None:
    starting.project(Path("new"))
    assert loading.load_matrix(Path("new/matrix.yaml")).python == "3.11"
    (empty / "file").write_text("")
    with pytest.raises(StorageError, match="name another directory"):
        starting.project(Path("file"))


def test_the_scenario_that_is_written_is_the_one_that_is_checked_and_run_here(empty: Path) -> None:
    starting.project(Path())
    file, command = starting.scenario("my-model", Path())
    assert (str(file), command) == (
        "my_model.py",
        "compatmatrix run --versions 4.46.3 --scenarios my_model.py my-model",
    )
    text = file.read_text(encoding="utf-8")
    assert text == WRITTEN.read_text(encoding="utf-8"), f"accept the new one: cp {file.resolve()} {WRITTEN}"
    found, _ = loading.discover(roots.gather([file], Path(".compatmatrix")))
    own = [scenario for scenario in found if scenario.family == "my-model"]
    assert [cell for scenario in own for cell in scenario.cells] == [
        *("my-model/load[plain]", "my-model/load[auto]", "my-model/load[disk]", "my-model/yours")
    ]


def test_a_scenario_replaces_nothing(empty: Path) -> None:
    (empty / "my_model.py").write_text("mine")
    with pytest.raises(InputError, match=r"already there: my_model\.py; nothing was written"):
        starting.scenario("my-model", Path())
    assert (empty / "my_model.py").read_text() == "mine"


@pytest.mark.parametrize("name", ["", "common", "_helper", "My Model", "../up", "a.b", "4bit", "a--b", "é"])
def test_a_name_that_could_not_be_a_family(empty: Path, name: str) -> None:
    with pytest.raises(InputError, match="take something like my-model"):
        starting.scenario(name, Path())
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize(
    ("directory", "file", "command"),
    [
        ("elsewhere", "elsewhere/a_b.py", "--scenarios elsewhere/a_b.py a-b"),
        ("scenarios", "scenarios/a_b/load.py", "a-b"),
        ("scenarios/tiny", "scenarios/tiny/a_b.py", "tiny"),
        ("with space", "with space/a_b.py", "--scenarios 'with space/a_b.py' a-b"),
    ],
)
def test_the_next_command_fits_the_place(here: Path, directory: str, file: str, command: str) -> None:
    written, told = starting.scenario("a-b", Path(directory))
    assert str(written) == file
    assert told == f"compatmatrix init && compatmatrix run --versions 4.46.3 {command}"
