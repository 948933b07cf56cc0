"""Checkpoints on disk: the layout of the published files, the same bytes each time, nothing lost."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from scenarios.common import models
from scenarios.common.checkpoint import Checkpoint, seeded, seeded_offsets, write_checkpoint

pytestmark = pytest.mark.torch

Make = Callable[..., Checkpoint]

MAKERS = [models.llama, models.oneke, models.gemma, models.mixtral]
makers = pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
FORMATS = [("safetensors", 1), ("safetensors", 3), ("bin", 1), ("bin", 2)]


def tensors_of(directory: Path) -> dict[str, torch.Tensor]:
    loaded = {}
    for path in sorted(directory.iterdir()):
        if path.suffix == ".safetensors":
            loaded.update(load_file(str(path)))
        elif path.suffix == ".bin":
            loaded.update(torch.load(str(path), weights_only=True))
    return loaded


def header(path: Path) -> dict[str, Any]:
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    found: dict[str, Any] = json.loads(raw[8 : 8 + length])
    return found


def same(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(
        left[key].dtype == right[key].dtype and torch.equal(left[key], right[key]) for key in left
    )


@makers
@pytest.mark.parametrize(("format", "shards"), FORMATS)
def test_what_is_on_disk_is_what_the_checkpoint_says(make: Make, format: str, shards: int, tmp_path: Path) -> None:
    made = make(tmp_path / "new", format=format, shards=shards)
    assert same(tensors_of(made.path), made.tensors)
    assert json.loads((made.path / "config.json").read_text()) == made.config
    assert {str(value.dtype) for value in made.tensors.values()} == {"torch." + made.config["torch_dtype"]}


@makers
@pytest.mark.parametrize(("format", "shards"), FORMATS)
def test_bytes_are_the_same_each_time(make: Make, format: str, shards: int, tmp_path: Path) -> None:
    first = make(tmp_path / "first", format=format, shards=shards)
    second = make(tmp_path / "second", format=format, shards=shards)
    names = sorted(path.name for path in first.path.iterdir())
    assert names == sorted(path.name for path in second.path.iterdir())
    assert all((first.path / name).read_bytes() == (second.path / name).read_bytes() for name in names)


def test_numbers_are_those_of_numpys_frozen_stream() -> None:
    assert seeded("a", (3,)).tolist() == pytest.approx([1.49161387, 2.18829924, 0.36767549])
    assert not torch.equal(seeded("a", (3,)), seeded("b", (3,)))
    assert not torch.equal(seeded("a", (3,)), seeded("a", (3,), seed=1))


def test_offsets_are_of_both_signs_and_none_is_small() -> None:
    found = seeded_offsets("norm", (1000,))
    assert 0.2 <= float(found.abs().min()) < float(found.abs().max()) <= 0.6
    assert 300 < int((found > 0).sum()) < 700


def test_one_file_is_named_as_published(tmp_path: Path) -> None:
    models.llama(tmp_path / "a")
    models.llama(tmp_path / "b", format="bin")
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
    ]
    assert (tmp_path / "b" / "pytorch_model.bin").is_file()


@pytest.mark.parametrize(("format", "stem"), [("safetensors", "model"), ("bin", "pytorch_model")])
def test_shards_and_their_index(format: str, stem: str, tmp_path: Path) -> None:
    made = models.oneke(tmp_path, format=format)
    index = json.loads((tmp_path / f"{stem}.{format}.index.json").read_text())
    files = [f"{stem}-0000{number}-of-00003.{format}" for number in (1, 2, 3)]
    assert sorted(set(index["weight_map"].values())) == files
    assert index["weight_map"].keys() == made.tensors.keys()
    assert index["metadata"]["total_size"] == sum(t.numel() * 2 for t in made.tensors.values())
    sizes = [(tmp_path / file).stat().st_size for file in files]
    assert max(sizes) < 2 * min(sizes)


def test_each_tensor_can_have_a_shard_of_its_own(tmp_path: Path) -> None:
    tensors = {"big": torch.ones(100), "small": torch.ones(1), "last": torch.ones(1)}
    write_checkpoint(tmp_path, {}, tensors, shards=3)
    assert same(load_file(str(tmp_path / "model-00003-of-00003.safetensors")), {"last": torch.ones(1)})
    assert same(tensors_of(tmp_path), tensors)


def test_metadata_can_be_left_out(tmp_path: Path) -> None:
    models.llama(tmp_path / "with")
    models.llama(tmp_path / "without", metadata=False)
    assert header(tmp_path / "with" / "model.safetensors")["__metadata__"] == {"format": "pt"}
    assert "__metadata__" not in header(tmp_path / "without" / "model.safetensors")


def test_views_are_written_as_tensors_of_their_own(tmp_path: Path) -> None:
    whole = torch.arange(6.0).reshape(2, 3)
    made = write_checkpoint(tmp_path, {}, {"whole": whole, "turned": whole.t()})
    assert same(tensors_of(tmp_path), {"whole": whole, "turned": whole.t()})
    whole.zero_()
    assert float(made.tensors["whole"].sum()) == 15


def test_wrong_options_are_refused(tmp_path: Path) -> None:
    tensors = {"a": torch.ones(1)}
    with pytest.raises(ValueError, match="pickle"):
        write_checkpoint(tmp_path, {}, tensors, format="pickle")
    with pytest.raises(ValueError, match="shards=2"):
        write_checkpoint(tmp_path, {}, tensors, shards=2)
    with pytest.raises(ValueError, match="yarn"):
        models.llama(tmp_path, rope_scaling="yarn")


@makers
def test_no_two_tensors_are_alike_and_no_norm_is_near_its_neutral_value(make: Make, tmp_path: Path) -> None:
    made = make(tmp_path, dtype="float32")
    values = {tuple(tensor.flatten()[:4].tolist()) for tensor in made.tensors.values()}
    assert len(values) == len(made.tensors)
    neutral = 0.0 if made.config["model_type"] == "gemma" else 1.0
    norms = [tensor for name, tensor in made.tensors.items() if "norm" in name]
    assert len(norms) == 2 * made.config["num_hidden_layers"] + 1
    assert min(float((norm - neutral).abs().min()) for norm in norms) > 0.19


def test_head_is_in_the_file_unless_tied(tmp_path: Path) -> None:
    assert "lm_head.weight" in models.llama(tmp_path / "a").tensors
    assert "lm_head.weight" not in models.llama(tmp_path / "b", tied=True).tensors
    assert "lm_head.weight" not in models.gemma(tmp_path / "c").tensors


def test_half_precision_holds_the_rounded_numbers(tmp_path: Path) -> None:
    exact = models.llama(tmp_path / "a").tensors
    rounded = models.llama(tmp_path / "b", dtype="bfloat16").tensors
    assert same(rounded, {name: tensor.bfloat16() for name, tensor in exact.items()})


def test_grouped_and_full_attention(tmp_path: Path) -> None:
    name = "model.layers.0.self_attn.k_proj.weight"
    assert models.llama(tmp_path / "a").tensors[name].shape == (32, 64)
    assert models.llama(tmp_path / "b", grouped=False).tensors[name].shape == (64, 64)
