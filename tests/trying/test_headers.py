"""Headers of safetensors files: what is right is read, and nothing else is."""

import json
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compatmatrix.trying import headers
from tests.trying.files import safetensors

RIGHT = safetensors({"a": [1.0, 2.0, 3.0], "b": [4.0]})


def read(directory: Path, data: bytes) -> dict[str, tuple[str, tuple[int, ...]]]:
    path = directory / "model.safetensors"
    path.write_bytes(data)
    return {name: (tensor.dtype, tensor.shape) for name, tensor in headers.read(path).items()}


def test_names_dtypes_and_shapes(tmp_path: Path) -> None:
    assert read(tmp_path, RIGHT) == {"a": ("float32", (3,)), "b": ("float32", (1,))}


def test_where_the_numbers_are(tmp_path: Path) -> None:
    read(tmp_path, RIGHT)
    path = tmp_path / "model.safetensors"
    found = headers.read(path)["b"]
    assert struct.unpack("<f", path.read_bytes()[found.start : found.end]) == (4.0,)


@given(st.integers(min_value=0, max_value=len(RIGHT) - 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_no_part_of_a_file_passes_for_the_whole(tmp_path: Path, length: int) -> None:
    with pytest.raises(headers.HeaderError):
        read(tmp_path, RIGHT[:length])


@given(st.integers(min_value=0, max_value=len(RIGHT) - 1), st.integers(min_value=1, max_value=255))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100)
def test_a_damaged_byte_is_an_error_of_the_file_or_harmless(tmp_path: Path, at: int, flip: int) -> None:
    damaged = bytearray(RIGHT)
    damaged[at] ^= flip
    try:
        found = read(tmp_path, bytes(damaged))
    except headers.HeaderError:
        return
    assert len(found) <= 3


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (RIGHT + b"\0", "behind its last tensor"),
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "Git LFS"),
        (struct.pack("<Q", 4) + b"nope", "not JSON"),
        (struct.pack("<Q", 2) + b"[]", "not a mapping"),
        (safetensors({"a": [1.0]}, a={"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}), "makes no sense for 'a'"),
        (safetensors({"a": [1.0]}, a={"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}), "makes no sense"),
        (safetensors({"a": [1.0]}, a={"dtype": "F32"}), "makes no sense"),
        (safetensors({"a": [1.0]}, b={"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}), "does not begin"),
        (safetensors({"a": [1.0]}, a={"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}), "cut off: "),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, data: bytes, told: str) -> None:
    with pytest.raises(headers.HeaderError, match=told):
        read(tmp_path, data)


def test_a_dtype_of_tomorrow_is_no_error(tmp_path: Path) -> None:
    text = json.dumps({"a": {"dtype": "F4", "shape": [2], "data_offsets": [0, 1]}}).encode()
    assert read(tmp_path, struct.pack("<Q", len(text)) + text + b"\0") == {"a": ("F4", (2,))}
