"""Digests and counts of the files: taken from what they hold, and kept while nobody touches them."""

import math
import os
from pathlib import Path

import pytest

from compatmatrix.trying import content
from compatmatrix.trying.found import Found
from compatmatrix.trying.inspect import inspect
from tests.trying.files import checkpoint, safetensors, state_dict, zipped


def read(directory: Path) -> content.Content:
    return content.read(inspect(directory), directory.parent / "contents.json")


@pytest.mark.parametrize("dtype", ["F32", "F16", "F64"])
def test_numbers_that_are_not_finite_are_counted(tmp_path: Path, dtype: str) -> None:
    tensors = {"good": [1.0, -0.0, 65504.0], "bad": [math.nan, 1.0, math.inf, -math.inf], "also": [math.nan]}
    found = read(checkpoint(tmp_path / "c", {"model.safetensors": safetensors(tensors, dtype)}))
    assert found.not_finite == {"bad": 3, "also": 1}


def test_pickles_are_left_to_the_columns(tmp_path: Path) -> None:
    assert read(checkpoint(tmp_path / "c", {"pytorch_model.bin": zipped(state_dict())})).not_finite is None


def test_whole_numbers_are_finite(tmp_path: Path) -> None:
    found = read(checkpoint(tmp_path / "c", {"model.safetensors": safetensors({"a": [-1, 2**62]}, "I64")}))
    assert found.not_finite == {}


def test_any_byte_changes_the_digest(tmp_path: Path) -> None:
    directory = checkpoint(tmp_path / "c")
    before = read(directory).digest
    assert read(directory).digest == before
    checkpoint(directory, {"model.safetensors": safetensors({"w": [1.0, 3.0]})})
    changed = read(directory).digest
    assert changed != before
    (directory / "generation_config.json").write_text("{}", encoding="utf-8")
    assert read(directory).digest != changed


def test_a_file_that_was_exchanged_within_its_size_and_time_is_another(tmp_path: Path) -> None:
    directory = checkpoint(tmp_path / "c")
    before, path = read(directory), directory / "model.safetensors"
    stamp = path.stat()
    other = directory / "other"
    other.write_bytes(safetensors({"w": [5.0, 2.0]}))
    other.replace(path)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert path.stat().st_size == stamp.st_size
    assert read(directory).digest != before.digest  # by its inode


def test_what_nobody_touched_is_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = checkpoint(tmp_path / "c")
    before = read(directory)
    monkeypatch.setattr(content, "not_finite", lambda *_: pytest.fail("it was read again"))
    assert read(directory) == before


@pytest.mark.parametrize("damage", ["{", "[]", '{"x": 1}'])
def test_a_damaged_cache_costs_nothing_but_time(tmp_path: Path, damage: str) -> None:
    directory = checkpoint(tmp_path / "c")
    before = read(directory)
    (tmp_path / "contents.json").write_text(damage, encoding="utf-8")
    assert read(directory) == before


def test_nothing_to_read(tmp_path: Path) -> None:
    assert content.read(Found(directory=tmp_path, config={}), tmp_path / "x" / "contents.json").not_finite == {}


def test_an_edit_in_place_with_its_time_set_back_is_seen(tmp_path: Path) -> None:
    directory = checkpoint(tmp_path / "c")
    before, path = read(directory), directory / "model.safetensors"
    stamp = path.stat()
    path.write_bytes(safetensors({"w": [5.0, 2.0]}))
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (stamp.st_ino, stamp.st_mtime_ns)
    assert read(directory).digest != before.digest


@pytest.mark.parametrize("name", ["sub/code.py", "vocab.bpe", "sub/deeper/words"])
def test_every_file_counts(tmp_path: Path, name: str) -> None:
    directory = checkpoint(tmp_path / "c")
    before, path = read(directory).digest, directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("1", encoding="utf-8")
    added = read(directory).digest
    path.write_text("2", encoding="utf-8")
    assert len({before, added, read(directory).digest}) == 3


def test_weights_that_are_not_loaded_and_what_is_hidden_are_not_read(tmp_path: Path) -> None:
    directory = checkpoint(tmp_path / "c")
    unloaded = Found(directory=directory, config={})
    before = content.read(unloaded, tmp_path / "cache").digest
    (directory / "model.safetensors").write_bytes(b"other")
    (directory / ".git").mkdir()
    (directory / ".git" / "object").write_bytes(b"1")
    assert content.read(unloaded, tmp_path / "cache").digest == before
