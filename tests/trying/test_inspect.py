"""A checkpoint's directory: what is found in it, and every kind of damage told before anything loads it."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

from compatmatrix.errors import CheckpointError, Exit
from compatmatrix.trying.inspect import inspect
from tests.trying.files import Files, checkpoint, index, legacy, safetensors, state_dict, zipped

NAMES = ["plain", "with spaces", "模型", "Модель ünï", "a'quote", "-dash"]


class Evil:
    def __reduce__(self) -> Any:
        return os.mkdir, ("planted",)


def problems(directory: Path) -> tuple[str, ...]:
    with pytest.raises(CheckpointError) as caught:
        inspect(directory)
    assert caught.value.exit is Exit.INPUT
    assert str(directory) in str(caught.value)
    return caught.value.problems


@pytest.mark.parametrize("name", NAMES)
def test_a_plain_one_under_any_name(tmp_path: Path, name: str) -> None:
    found = inspect(checkpoint(tmp_path / name))
    assert found.weights == ("model.safetensors",)
    assert (found.parameters, found.stored, found.model_types) == (2, "float32", ("llama",))
    assert not found.pickled
    assert found.tokenizer == ()


def test_shards_by_their_index(tmp_path: Path) -> None:
    files: Files = {
        "model-00001-of-00002.safetensors": safetensors({"a": [1.0]}, "F16"),
        "model-00002-of-00002.safetensors": safetensors({"b": [1.0, 2.0]}, "F16"),
        "model.safetensors.index.json": index(
            {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
        ),
    }
    found = inspect(checkpoint(tmp_path, files))
    assert found.weights == tuple(files)[:2]
    assert (found.stored, found.parameters) == ("float16", 3)


def test_safetensors_go_before_pickles(tmp_path: Path) -> None:
    files = {"model.safetensors": safetensors({"w": [1.0]}), "pytorch_model.bin": zipped(state_dict())}
    assert inspect(checkpoint(tmp_path, files)).weights == ("model.safetensors",)


@pytest.mark.parametrize("wrap", [zipped, legacy])
def test_a_pickled_one(tmp_path: Path, wrap: Any) -> None:
    found = inspect(checkpoint(tmp_path, {"pytorch_model.bin": wrap(state_dict(kind="Half"))}))
    assert (found.weights, found.stored, found.pickled) == (("pytorch_model.bin",), "float16", True)


@pytest.mark.parametrize("beside", [{}, {"model.safetensors": safetensors({"w": [1.0]})}])
def test_a_pickle_that_runs_code_refuses_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: dict[str, bytes]
) -> None:
    monkeypatch.chdir(tmp_path)
    told = problems(checkpoint(tmp_path / "c", {**beside, "pytorch_model.bin": zipped(pickle.dumps(Evil(), 2))}))
    assert len(told) == 1
    assert told[0].startswith("pytorch_model.bin: would run code when it is read: it names")
    assert "mkdir" in told[0]
    assert not (tmp_path / "planted").exists()


def test_other_pickles_are_nobodys_business(tmp_path: Path) -> None:
    found = inspect(
        checkpoint(
            tmp_path, {"model.safetensors": safetensors({"w": [1.0]}), "training_args.bin": pickle.dumps(Evil())}
        )
    )
    assert found.weights == ("model.safetensors",)


def test_what_is_missing(tmp_path: Path) -> None:
    assert "no config.json" in problems(tmp_path)[0]
    assert "no weights" in problems(checkpoint(tmp_path / "a", {}))[0]
    assert "tf_model.h5 cannot be tried" in problems(checkpoint(tmp_path / "b", {"tf_model.h5": b""}))[0]
    file = tmp_path / "file"
    file.write_bytes(b"")
    assert "is a file" in problems(file)[0]


def test_an_index_that_names_what_is_not_there(tmp_path: Path) -> None:
    shard = "model-00001-of-00002.safetensors"
    files: Files = {
        shard: safetensors({"a": [1.0]}),
        "model.safetensors.index.json": index({"a": shard, "b": "model-00002-of-00002.safetensors"}),
    }
    assert problems(checkpoint(tmp_path, files)) == (
        "model.safetensors.index.json: names model-00002-of-00002.safetensors, which is missing",
    )


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "a/b.safetensors", ".."])
def test_an_index_that_leads_out_of_the_directory(tmp_path: Path, name: str) -> None:
    told = problems(checkpoint(tmp_path / "c", {"model.safetensors.index.json": index({"a": name})}))
    assert "is not in the directory" in told[0]


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        ({"shard.safetensors": safetensors({"a": [1.0]})}, "model.safetensors"),
        ({"shard.bin": zipped(state_dict("a"))}, "pytorch_model.bin"),
    ],
)
def test_an_index_that_is_wrong_about_a_tensor(tmp_path: Path, files: dict[str, bytes], kind: str) -> None:
    shard = next(iter(files))
    told = problems(checkpoint(tmp_path, {**files, f"{kind}.index.json": index({"a": shard, "lost": shard})}))
    assert told == (f"{kind}.index.json: says that {shard} holds 'lost'; it does not",)


def test_all_damage_at_once(tmp_path: Path) -> None:
    whole = safetensors({"a": [1.0, 2.0, 3.0]})
    files: Files = {
        "one.safetensors": whole[:-3],
        "two.safetensors": b"",
        "model.safetensors.index.json": index({"a": "one.safetensors", "b": "two.safetensors", "c": "no.safetensors"}),
    }
    told = problems(checkpoint(tmp_path, files))
    assert len(told) == 3
    assert "no.safetensors, which is missing" in told[0]
    assert "one.safetensors: is cut off" in told[1]
    assert "two.safetensors: is empty" in told[2]


def test_configurations_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    assert "config.json: not JSON" in problems(tmp_path)[0]
    (tmp_path / "config.json").write_text("[]", encoding="utf-8")
    assert "config.json: not a mapping" in problems(tmp_path)[0]


def test_what_belongs_to_other_programs(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"base_model_name_or_path": "owner/base"}', encoding="utf-8")
    with pytest.raises(CheckpointError, match=r"(?s)an adapter.*next: compatmatrix try owner/base"):
        inspect(tmp_path)


def test_the_checkpoints_own_code_is_named(tmp_path: Path) -> None:
    own = {"AutoConfig": "configuration_x.X", "AutoModelForCausalLM": "modeling_x.XForCausalLM"}
    found = inspect(checkpoint(tmp_path, auto_map=own))
    assert found.code == tuple(own.values())


def test_weights_that_are_not_there_yet(tmp_path: Path) -> None:
    found = inspect(checkpoint(tmp_path, {}, torch_dtype="bfloat16"), weights=False)
    assert (found.weights, found.stored) == ((), "bfloat16")


def test_tokenizers(tmp_path: Path) -> None:
    beside: Files = {"model.safetensors": safetensors({"w": [1.0]}), "tokenizer_config.json": {}}
    assert inspect(checkpoint(tmp_path / "a", beside)).tokenizer == ()
    found = inspect(checkpoint(tmp_path / "b", {**beside, "tokenizer.json": {}}))
    assert found.tokenizer == ("tokenizer.json", "tokenizer_config.json")


@pytest.mark.parametrize("name", ["vocab.pkl", "other.pickle", "vocab.bin"])
def test_a_pickled_vocabulary_is_refused(tmp_path: Path, name: str) -> None:
    files = {"model.safetensors": safetensors({"w": [1.0]}), name: pickle.dumps(Evil())}
    assert problems(checkpoint(tmp_path, files))[0].startswith(f"{name}: a tokenizer may unpickle it")


def test_a_vocabulary_under_another_name_is_refused(tmp_path: Path) -> None:
    files: Files = {
        "model.safetensors": safetensors({"w": [1.0]}),
        "tokenizer_config.json": {"pretrained_vocab_file": "words.txt"},
    }
    assert problems(checkpoint(tmp_path, files))[0].startswith("words.txt: a tokenizer may unpickle it")


@pytest.mark.parametrize("name", ["generation_config.json", "tokenizer_config.json"])
def test_small_files_that_are_damaged(tmp_path: Path, name: str) -> None:
    files: Files = {"model.safetensors": safetensors({"w": [1.0]}), name: b"{"}
    assert problems(checkpoint(tmp_path, files))[0].startswith(f"{name}: not JSON")


@pytest.mark.parametrize("named", [5, "LlamaForCausalLM", [5], {"a": 1}])
def test_architectures_that_are_no_names(tmp_path: Path, named: Any) -> None:
    assert "architectures is" in problems(checkpoint(tmp_path, architectures=named))[0]


def test_an_index_whose_map_is_a_list(tmp_path: Path) -> None:
    shard = "one.safetensors"
    files: Files = {
        shard: safetensors({"a": [1.0]}),
        "model.safetensors.index.json": index({"a": shard}),
        "pytorch_model.bin.index.json": {"weight_map": ["a"]},
    }
    assert problems(checkpoint(tmp_path, files)) == ("pytorch_model.bin.index.json: its weight_map is not a mapping",)


def test_a_shape_without_an_end(tmp_path: Path) -> None:
    told = {"dtype": "F32", "shape": [float("inf")], "data_offsets": [0, 4]}
    assert (
        "makes no sense for 'w'"
        in problems(checkpoint(tmp_path, {"model.safetensors": safetensors({"w": [1.0]}, w=told)}))[0]
    )
