"""The generic scenarios of `compatmatrix try`: they call right loads right, and find what is planted in them."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from compatmatrix.trying.scenarios.given import (
    _asked,
    _buffers,
    _files,
    _inputs,
    _leftover,
    _load,
    _observed,
    _references,
    _tensors,
    _values,
)
from compatmatrix.trying.scenarios.given import _outputs as outputs
from compatprobe import Cell
from scenarios.common import models
from scenarios.common.checkpoint import Checkpoint

Told = dict[str, bool]


class Files:
    """Tensors in memory, with the names of a file."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self._tensors = tensors
        self.names = list(tensors)

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._tensors[name]

    def not_finite(self) -> dict[str, int]:
        return {}


class Toy(torch.nn.Module):  # type: ignore[misc]
    """Two layers under a base model's prefix, and a head."""

    base_model_prefix = "base"

    def __init__(self) -> None:
        super().__init__()
        self.base = torch.nn.Module()
        self.base.layers = torch.nn.ModuleList([torch.nn.Linear(4, 4), torch.nn.Linear(4, 4)])
        self.base.norm = torch.nn.LayerNorm(4)
        self.head = torch.nn.Linear(4, 2, bias=False)
        self.config: Any = type("Config", (), {"tie_word_embeddings": False})()


def cell(directory: Path) -> Cell:
    return Cell("given/load", directory)


def held(one: Cell) -> Told:
    return {check["name"]: check["measured"] <= check["limit"] for check in one.checks}


def details(one: Cell) -> str:
    return " ".join(check["detail"] for check in one.checks)


def compared(
    directory: Path, model: torch.nn.Module, tensors: dict[str, torch.Tensor], api: str = "Toy", dtype: str = "default"
) -> Cell:
    one = cell(directory)
    _tensors.check(one, model, Files(tensors), dtype, api)  # type: ignore[arg-type]
    return one


@pytest.fixture(autouse=True)
def _whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_asked, "WHOLE", ["Toy"])


def state(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


# -- values


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.0])
def test_what_is_not_finite_equals_itself(value: float) -> None:
    tensor = torch.tensor([1.0, value])
    assert _values.why_not(tensor.clone(), tensor, None) is None


@pytest.mark.parametrize("other", [math.nan, math.inf, 1.0000001, 0.0])
def test_another_number_is_told(other: float) -> None:
    assert _values.why_not(torch.tensor([1.0, other]), torch.tensor([1.0, 1.0]), None)


def test_numbers_may_be_rounded_to_what_was_asked() -> None:
    want = torch.tensor([1.0, 0.1])
    assert _values.why_not(want.half(), want, torch.float16) is None
    assert _values.why_not(want.half(), want, None)
    assert _values.why_not(want, want, torch.float16) is None  # kept wide by the class
    assert _values.why_not(want.bfloat16().float(), want, torch.float16)


def test_a_half_of_the_file_is_read_wide() -> None:
    want = torch.tensor([1.0, 0.1]).bfloat16()
    assert _values.why_not(want.float(), want, None) is None


# -- names


def test_the_prefix_of_the_base_model_comes_and_goes(tmp_path: Path) -> None:
    model = Toy()
    bare = {name[len("base.") :] if name.startswith("base.") else name: value for name, value in state(model).items()}
    assert held(compared(tmp_path, model, bare)) == {"tensors": True}


def test_old_names_of_norms(tmp_path: Path) -> None:
    model = Toy()
    old = {
        name.replace("norm.weight", "norm.gamma").replace("norm.bias", "norm.beta"): value
        for name, value in state(model).items()
    }
    assert held(compared(tmp_path, model, old)) == {"tensors": True}


def test_renamed_tensors_are_known_by_what_they_hold(tmp_path: Path) -> None:
    model = Toy()
    renamed = {name.replace("base.layers", "encoder.h"): value for name, value in state(model).items()}
    one = compared(tmp_path, model, renamed)
    assert held(one) == {"tensors": True}
    assert one.fingerprint["renamed by the version"] == 4


def test_a_fused_tensor_holds_the_same_numbers(tmp_path: Path) -> None:
    model = Toy()
    tensors = state(model)
    weight = tensors.pop("head.weight")
    tensors.update({"out.first": weight[:1].clone(), "out.second": weight[1:].clone()})
    one = compared(tmp_path, model, tensors)
    assert held(one) == {"tensors": True}
    assert one.fingerprint["rearranged by the version"] == {"in the file": 2, "in the model": 1}
    tensors["out.second"][0, 0] += 1e-7
    assert held(compared(tmp_path, model, tensors)) == {"tensors": False}


def test_a_part_that_this_class_lacks_is_no_fault_of_it(tmp_path: Path) -> None:
    model = Toy()
    tensors = {**state(model), "vision_tower.w": torch.ones(3)}
    assert held(compared(tmp_path, model, tensors)) == {"tensors": False}
    one = compared(tmp_path, model, tensors, api="AutoModel")
    assert held(one) == {"tensors": True}
    assert one.fingerprint["parts without a place in this class"] == ["vision_tower"]


def test_a_layer_that_was_lost_is_a_fault_in_any_class(tmp_path: Path) -> None:
    model = Toy()
    tensors = {**state(model), "base.layers.2.weight": torch.ones(4, 4)}
    assert held(compared(tmp_path, model, tensors, api="AutoModel")) == {"tensors": False}


def test_a_made_up_parameter_is_found(tmp_path: Path) -> None:
    model = Toy()
    tensors = state(model)
    del tensors["head.weight"]
    one = compared(tmp_path, model, tensors)
    assert held(one) == {"tensors": False}
    assert "head.weight: a parameter that is not in the file" in details(one)


def test_where_nothing_was_compared_nothing_holds(tmp_path: Path) -> None:
    tensors = {f"net.backbone.{name}": torch.ones(7) for name in ("a", "b")}
    one = compared(tmp_path, Toy(), tensors, api="AutoModel")
    assert held(one) == {"tensors": False}
    assert "base.norm.weight: a parameter that is not in the file" in details(one)
    empty = torch.nn.Module()
    empty.config = None
    assert "nothing of the file is in the model" in details(compared(tmp_path, empty, tensors, api="AutoModel"))


def test_a_head_may_be_new_in_another_class_and_is_told(tmp_path: Path) -> None:
    model = Toy()
    tensors = state(model)
    del tensors["head.weight"]
    one = compared(tmp_path, model, tensors, api="AutoModelForSequenceClassification")
    assert held(one) == {"tensors": True}
    assert one.fingerprint["made up"] == ["head"]
    below = {name: value for name, value in tensors.items() if "norm" not in name}
    assert held(compared(tmp_path, model, below, api="AutoModelForSequenceClassification")) == {"tensors": False}


@pytest.mark.parametrize(
    ("api", "part"), [("LlamaForSequenceClassification", "score"), ("LlamaForCausalLM", "lm_head")]
)
def test_answers_of_a_made_up_head_are_not_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: str, part: str
) -> None:
    target(monkeypatch, models.llama(tmp_path / "checkpoint"))
    _load.load(cell(tmp_path), "LlamaModel").save_pretrained(str(tmp_path / "base"))
    monkeypatch.setattr(_asked, "PATH", tmp_path / "base")
    monkeypatch.setattr(_asked, "WHOLE", ["LlamaModel"])
    files = _files.Files(tmp_path / "base", ["model.safetensors"])
    one = cell(tmp_path)
    model = _load.load(one, api)
    _tensors.check(one, model, files, "default", api)
    outputs.check(one, model, files)
    assert all(held(one).values()), details(one)
    assert one.fingerprint["made up"] == [part]
    assert "forward output" not in one.fingerprint


class Tied(Toy):
    """An embedding, and a head that is it."""

    def __init__(self) -> None:
        super().__init__()
        self.base.embed = torch.nn.Embedding(5, 4)
        self.head = torch.nn.Linear(4, 5, bias=False)
        self.config.tie_word_embeddings = True

    def get_input_embeddings(self) -> Any:
        return self.base.embed

    def get_output_embeddings(self) -> Any:
        return self.head


@pytest.mark.parametrize("one_tensor", [True, False])
def test_a_made_up_embedding_is_not_excused_by_itself(tmp_path: Path, one_tensor: bool) -> None:
    model = Tied()
    model.head.weight = model.base.embed.weight if one_tensor else torch.nn.Parameter(model.base.embed.weight.clone())
    whole = state(model)
    for known in (["base.embed.weight"], ["head.weight"], []):
        left = {name: value for name, value in whole.items() if name in known or "layers" in name or "norm" in name}
        assert held(compared(tmp_path, model, left)) == {"tensors": bool(known)}, known
    renamed = {name.replace("base.embed", "wte"): value for name, value in whole.items() if name != "head.weight"}
    assert held(compared(tmp_path, model, renamed)) == {"tensors": True}


@pytest.mark.parametrize("said", [{}, {"tie_word_embeddings": False}, {"text_config": {"tie_word_embeddings": False}}])
def test_a_head_that_the_file_calls_its_own_must_be_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: dict[str, Any]
) -> None:
    monkeypatch.setattr(_asked, "CONFIG", said)
    model = Tied()
    model.head.weight = model.base.embed.weight
    one = compared(tmp_path, model, {**state(model), "head.weight": torch.ones(5, 4)})
    assert held(one) == {"tensors": not said}


@pytest.mark.parametrize("name", ["base.layers.0.rotary.inv_freq", "base.position_ids", "h.0.attn.masked_bias"])
def test_tables_of_old_files_need_no_place(tmp_path: Path, name: str) -> None:
    model = Toy()
    assert held(compared(tmp_path, model, {**state(model), name: torch.ones(2)})) == {"tensors": True}


def test_sums_of_bits_know_every_number() -> None:
    one = torch.randn(1000)
    assert _leftover._signature(one) == _leftover._signature(one[torch.randperm(1000)])
    other = one.clone()
    other[3], other[4] = other[3] + 1, other[4] - 1
    assert _leftover._signature(one) != _leftover._signature(other)


# -- buffers


class Rotary(torch.nn.Module):  # type: ignore[misc]
    """Frequencies that no file holds, and noise that is new each time."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.weight = torch.nn.Parameter(torch.ones(2))
        self.register_buffer("inv_freq", 10.0 ** -torch.arange(8.0), persistent=False)
        self.register_buffer("noise", torch.randn(3), persistent=False)
        self.register_buffer("mask", torch.full((2, 2), -math.inf).triu(1), persistent=False)


@pytest.mark.parametrize(
    ("plant", "right"),
    [
        (lambda model: None, True),
        (lambda model: model.inv_freq.mul_(1.00001), False),
        (lambda model: model.inv_freq[-1:].mul_(2), False),
        (lambda model: model.inv_freq.fill_(math.nan), False),
        (lambda model: model.mask.zero_(), False),
        (lambda model: model.noise.zero_(), True),
        (lambda model: model.noise.fill_(math.nan), False),
        (lambda model: model.to("meta"), False),
    ],
)
def test_buffers_of_a_class_that_nobody_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: Callable[[Any], Any], right: bool
) -> None:
    monkeypatch.setattr(_asked, "IN_FLOAT64", True)
    model = Rotary(type("Config", (), {})())
    plant(model)
    one = cell(tmp_path)
    _buffers.check(one, model, Files({}))  # type: ignore[arg-type]
    assert held(one) == {"buffers": right}


class Batched(torch.nn.Module):  # type: ignore[misc]
    """Running means, which files hold."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        self.config = config
        self.norm = torch.nn.BatchNorm2d(3)


def test_buffers_of_the_file_are_left_to_the_comparison_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_asked, "IN_FLOAT64", True)
    model = Batched(type("Config", (), {})())
    model.norm.running_mean.fill_(0.3)
    one = cell(tmp_path)
    _buffers.check(one, model, Files(state(model)))  # type: ignore[arg-type]
    assert held(one) == {"buffers": True}
    one = cell(tmp_path)
    _buffers.check(one, model, Files({}))  # type: ignore[arg-type]
    assert held(one) == {"buffers": False}


# -- whole models

STYLES: dict[str, Callable[[Path], Checkpoint]] = {
    "llama": models.llama,
    "tied": lambda path: models.llama(path, tied=True, dtype="bfloat16", shards=3),
    "llama3": lambda path: models.llama(path, rope_scaling="llama3"),
    "bin": lambda path: models.llama(path, format="bin", shards=2),
    "gemma3": models.gemma3_text,
    "multimodal": models.gemma3_multimodal,
    "mixtral": models.mixtral,
    "oneke": models.oneke,
}


def target(monkeypatch: pytest.MonkeyPatch, made: Checkpoint) -> _files.Files:
    """What the host would tell of a checkpoint."""
    names: list[str] = sorted(path.name for path in made.path.iterdir() if path.suffix in (".bin", ".safetensors"))
    told = {
        "PATH": made.path,
        "CONFIG": json.loads((made.path / "config.json").read_text()),
        "WEIGHTS": names,
        "WHOLE": made.config["architectures"],
        "PRIMARY": made.config["architectures"][0],
        "IN_FLOAT64": True,
        "COUNTED": True,
    }
    for name, value in told.items():
        monkeypatch.setattr(_asked, name, value)
    return _files.Files(made.path, names)


def checked(directory: Path, model: Any, files: _files.Files, dtype: str = "default") -> Cell:
    one = cell(directory)
    _tensors.check(one, model, files, dtype, _asked.PRIMARY)
    _buffers.check(one, model, files)
    outputs.check(one, model, files)
    return one


@pytest.mark.parametrize("style", STYLES)
def test_a_right_load_is_called_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, style: str) -> None:
    made = STYLES[style](tmp_path / "模型 checkpoint")
    files = target(monkeypatch, made)
    for dtype in ("default", "float32", "bfloat16"):
        one = cell(tmp_path)
        model = _load.load(one, _asked.PRIMARY, dtype)
        told = checked(tmp_path, model, files, dtype)
        assert all(held(told).values()), (dtype, details(told))
        assert told.fingerprint["forward output"]["judged by"] == "an independent reference", told.fingerprint


def _row(model: Any) -> None:
    model.model.layers[1].mlp.up_proj.weight.data[3].zero_()


def _swap(model: Any) -> None:
    one, other = (model.model.layers[number].self_attn.q_proj.weight for number in (0, 1))
    one.data, other.data = other.data, one.data


def _untied(model: Any) -> None:
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.data.clone() * 1.001)


def _frequencies(model: Any) -> None:
    for name, buffer in model.named_buffers():
        if name.endswith("inv_freq"):
            buffer.mul_(1.01)


def _scale(model: Any) -> None:
    model.model.layers[0].self_attn.scaling = 0.5


def _noisy(model: Any) -> None:
    model.model.norm.register_forward_hook(lambda module, given, found: found + torch.rand(()))


FAULTS: dict[str, Callable[[Any], None]] = {
    "a row": _row,
    "two layers": _swap,
    "a head": _untied,
    "frequencies": _frequencies,
    "a scale": _scale,
    "noise": _noisy,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("judge", [True, False])
def test_a_planted_fault_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, judge: bool) -> None:
    files = target(monkeypatch, models.llama(tmp_path / "checkpoint"))
    if not judge:  # an architecture without a reference
        monkeypatch.setattr(_references, "of", lambda *_: None)
        if fault == "a scale":
            pytest.skip("it is in the computation, not in the load: only other versions can tell")
    model = _load.load(cell(tmp_path), _asked.PRIMARY)
    FAULTS[fault](model)
    assert not all(held(checked(tmp_path, model, files)).values())


def test_what_is_on_disk_is_read_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = models.llama(tmp_path / "checkpoint", shards=2)
    files = target(monkeypatch, made)
    folder = {"model.embed_tokens": "cpu", "model.rotary_emb": "cpu", "model.norm": "cpu", "lm_head": "cpu"}
    folder.update({f"model.layers.{number}": "disk" for number in range(made.config["num_hidden_layers"])})
    one = cell(tmp_path)
    model = _load.load(one, _asked.PRIMARY, device_map=folder, offload_folder=str(tmp_path / "offload"))
    assert any(parameter.is_meta for parameter in model.parameters())
    told = checked(tmp_path, model, files)
    assert all(held(told).values()), details(told)
    facts = _observed.facts(model)
    assert set(facts["devices"]) == {"cpu", "disk"}
    assert facts["parameters_digest"] == _observed.facts(_load.load(one, _asked.PRIMARY))["parameters_digest"]


def test_a_file_with_nan_blames_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = models.llama(tmp_path / "checkpoint")
    from safetensors.torch import save_file

    bad = dict(made.tensors)
    bad["model.norm.weight"] = bad["model.norm.weight"].clone()
    bad["model.norm.weight"][2] = math.nan
    save_file(bad, str(made.path / "model.safetensors"), metadata={"format": "pt"})
    files = target(monkeypatch, made)
    monkeypatch.setattr(_asked, "COUNTED", False)
    one = checked(tmp_path, _load.load(cell(tmp_path), _asked.PRIMARY), files)
    assert all(held(one).values())
    assert one.fingerprint["not finite in the file"] == {"model.norm.weight": 1}
    assert "values are not finite" in one.fingerprint["outputs not judged"]


def test_a_mask_that_is_not_finite_does_not_end_the_judging(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = target(monkeypatch, models.llama(tmp_path / "checkpoint"))
    monkeypatch.setattr(files, "not_finite", lambda: {"mask": 3})
    model = _load.load(cell(tmp_path), _asked.PRIMARY)
    _row(model)
    assert held(checked(tmp_path, model, files))["forward"] is False


@pytest.mark.parametrize("kind", ["LlamaForSequenceClassification", "LlamaModel"])
def test_scores_of_classes_are_not_held_against_logits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    files = target(monkeypatch, models.llama(tmp_path / "checkpoint"))
    model = _load.load(cell(tmp_path), kind)
    one = cell(tmp_path)
    outputs.check(one, model, files)
    assert all(held(one).values()), details(one)
    judge = one.fingerprint["forward output"]["judged by"]
    assert judge == ("an independent reference" if kind == "LlamaModel" else "the same model in float64")


def test_token_ids_are_in_the_vocabulary_and_not_special() -> None:
    config = type("Config", (), {})()
    config.vocab_size, config.eos_token_id, config.pad_token_id, config.bos_token_id = 40, [1, 2], None, 13
    ids = _inputs.token_ids(config)
    assert ids is not None
    assert ids.shape == (2, 9)
    assert int(ids.max()) < 40
    assert not {1, 2, 13} & set(ids.reshape(-1).tolist())
