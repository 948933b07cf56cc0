"""The scenario root of a checkpoint: it lists exactly the chosen cells, and its hash follows the target."""

import ast
import dataclasses
from pathlib import Path

import pytest

from compatmatrix import loading
from compatmatrix.errors import SelectionError
from compatmatrix.matrix import Matrix, PathSource, PypiSource, Version
from compatmatrix.trying import content, target
from compatmatrix.trying.choose import Asked, Choice, choose
from compatmatrix.trying.columns import matrix_of
from compatmatrix.trying.estimate import GIB, Estimate, estimate
from compatmatrix.trying.found import Found
from compatmatrix.trying.inspect import inspect
from tests.trying.files import checkpoint, safetensors

ROOT = Path(__file__).parents[2]


def prepared(directory: Path, room: int = 64 * GIB) -> tuple[Found, Choice, Estimate]:
    found = inspect(directory)
    measured = estimate(found, room)
    return found, choose(found, measured, Asked()), measured


def listed(directory: Path, root: Path, room: int = 64 * GIB) -> tuple[list[str], set[str], Choice]:
    found, choice, measured = prepared(directory, room)
    read = content.read(found, root.parent / "contents.json")
    target.write(root, choice, target.told(found, choice, Asked(), read, measured, 120.0))
    scenarios, _ = loading.discover([ROOT / "scenarios", root])
    mine = [scenario for scenario in scenarios if scenario.family == "given"]
    return [cell for scenario in mine for cell in scenario.cells], {scenario.source_hash for scenario in mine}, choice


@pytest.mark.parametrize("room", [64 * GIB, 0])
def test_what_is_listed_is_what_was_chosen(tmp_path: Path, room: int) -> None:
    directory = checkpoint(tmp_path / "模型 with 'quotes' \"too\"", {"model.safetensors": safetensors({"w": [1.0]})})
    (directory / "tokenizer.json").write_text("{}", encoding="utf-8")
    cells, _, choice = listed(directory, tmp_path / "root", room)
    assert sorted(cells) == sorted(id for name, some in choice.cells.items() for id in some.ids(name))


def test_another_byte_is_another_source(tmp_path: Path) -> None:
    directory = checkpoint(tmp_path / "c")
    _, before, _ = listed(directory, tmp_path / "root")
    assert listed(directory, tmp_path / "root")[1] == before
    checkpoint(directory, {"model.safetensors": safetensors({"w": [1.0, 2.5]})})
    assert not listed(directory, tmp_path / "root")[1] & before


def test_scenarios_of_an_earlier_choice_go(tmp_path: Path) -> None:
    directory = checkpoint(tmp_path / "c")
    listed(directory, tmp_path / "root")
    cells, _, _ = listed(directory, tmp_path / "root", room=0)
    assert not any(cell.startswith("given/load") for cell in cells)


def test_names_are_readable_and_tell_checkpoints_apart(tmp_path: Path) -> None:
    one, other = tmp_path / "a" / "模型 1", tmp_path / "b" / "模型 1"
    names = {target.name_of(path, str(path)) for path in (one, other)}
    assert len(names) == 2
    assert all(name.startswith("模型-1-") for name in names)
    assert target.name_of(one, "owner/Model-7B").startswith("Model-7B-")
    assert target.name_of(one, "..").startswith("checkpoint-")


MATRIX = Matrix(
    python="3.11",
    versions=(
        Version(id="4.46.3", sources=(PypiSource(pypi="4.46.3"),)),
        Version(id="local", sources=(PathSource(path="here/it"),)),
    ),
)


def made(versions: tuple[str, ...]) -> Matrix:
    return matrix_of(MATRIX, versions, ["einops"], root=Path("/r"), memory=GIB, timeout=600)


def test_versions_of_the_matrix_and_others() -> None:
    matrix = made(("4.47.1", "4.46.3", "4.47.1"))
    assert [version.id for version in matrix.versions] == ["4.47.1", "4.46.3"]
    assert matrix.versions[0].sources == (PypiSource(pypi="4.47.1"),)
    assert [each.package for each in matrix.companions] == ["einops"]
    assert (matrix.policy.memory, matrix.policy.timeout_seconds, matrix.policy.no_progress_seconds) == (GIB, 600, 600)
    assert Matrix.model_validate(matrix.model_dump(mode="json", exclude_defaults=True)) == matrix


def test_all_versions_and_their_paths() -> None:
    assert made(()).versions[1].sources == (PathSource(path="/r/here/it"),)


def test_a_version_that_is_none() -> None:
    with pytest.raises(SelectionError, match="no version 'mian'"):
        made(("mian",))
    with pytest.raises(SelectionError, match=r"no version '1!4\.46'"):
        made(("1!4.46",))


def test_every_field_of_a_target_is_json(tmp_path: Path) -> None:
    found, choice, measured = prepared(checkpoint(tmp_path / "c"))
    assert dataclasses.is_dataclass(found)
    told = target.told(found, choice, Asked(trust=True), content.Content(digest="d", not_finite=None), measured, 1.0)
    root = target.write(tmp_path / "root", choice, told)
    space: dict[str, object] = {}
    exec((root / "given" / "_target.py").read_text(encoding="utf-8"), space)
    written = space["TARGET"]
    assert isinstance(written, dict)
    assert (written["trust"], written["not_finite"], written["path"]) == (True, None, str((tmp_path / "c").resolve()))


def test_the_scenarios_are_written_for_every_python_of_a_column() -> None:
    for path in target.SCENARIOS.glob("*.py"):
        ast.parse(path.read_text(encoding="utf-8"), path.name, feature_version=(3, 8))
