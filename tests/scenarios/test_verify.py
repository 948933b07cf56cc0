"""The checks after a load, on models of plain modules: what is right passes, each fault is seen."""

import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from compatprobe import Cell
from scenarios.common import buffers, keys, layout, models, plans, verify
from scenarios.common.checkpoint import Checkpoint
from scenarios.common.references import layers, llama

pytestmark = pytest.mark.torch

IDS = torch.tensor([[1, 17, 93, 4, 58, 110]])


class Tree(torch.nn.Module):  # type: ignore[misc]  # torch is not installed where mypy runs
    """A model with the given tensors at the given names, whose outputs are the reference's plus ``error``."""

    def __init__(self, tensors: dict[str, torch.Tensor], config: dict[str, Any], error: float = 0.0) -> None:
        super().__init__()
        self.config = SimpleNamespace(**config)
        self.error = error
        self.outputs: Callable[[torch.Tensor], torch.Tensor] = torch.zeros_like
        self.repeats = False
        self.generation_config: Any = SimpleNamespace(eos_token_id=None)
        for name, tensor in tensors.items():
            _holder(self, name).register_parameter(name.rsplit(".", 1)[-1], torch.nn.Parameter(tensor.clone(), False))

    def get_output_embeddings(self) -> Any:
        return getattr(self, "lm_head", None)

    def forward(self, input_ids: torch.Tensor, attention_mask: Any = None) -> Any:
        del attention_mask
        return SimpleNamespace(logits=self.outputs(input_ids) + self.error)

    def generate(self, input_ids: torch.Tensor, max_new_tokens: int, **_: Any) -> Any:
        scores = []
        for _step in range(max_new_tokens):
            scores.append(self.outputs(input_ids)[:, -1] + self.error)
            best = input_ids[:, -1] if self.repeats else scores[-1].argmax(-1)
            input_ids = torch.cat([input_ids, best[:, None]], dim=1)
        return SimpleNamespace(sequences=input_ids, scores=tuple(scores))


def _holder(model: torch.nn.Module, name: str) -> torch.nn.Module:
    """The module that a name lies in; made where it is missing."""
    for part in name.split(".")[:-1]:
        if not hasattr(model, part):
            model.add_module(part, torch.nn.Module())
        model = getattr(model, part)
    return model


def set_buffer(model: torch.nn.Module, name: str, value: torch.Tensor) -> None:
    _holder(model, name).register_buffer(name.rsplit(".", 1)[-1], value, persistent=False)


def loaded(model: torch.nn.Module, made: Checkpoint, tmp_path: Path, **arguments: Any) -> dict[str, float]:
    cell = Cell("test/test", tmp_path)
    verify.loaded(cell, model, made, **arguments)
    return {check["name"]: check["measured"] for check in cell.checks}


@pytest.fixture
def made(tmp_path: Path) -> Checkpoint:
    return models.llama(tmp_path / "made", rope_scaling="llama3")


@pytest.fixture
def model(made: Checkpoint) -> Iterator[Tree]:
    tree = Tree(made.tensors, made.config)
    tree.outputs = partial(llama.logits, made.config, made.tensors)
    tree.generation_config = SimpleNamespace(eos_token_id=made.config["eos_token_id"])
    set_buffer(tree, "model.rotary_emb.inv_freq", layers.rope_of(made.config).float())
    yield tree


def test_the_file_itself_passes(model: Tree, made: Checkpoint, tmp_path: Path) -> None:
    assert loaded(model, made, tmp_path) == {"tensors": 0, "buffers": 0, "end tokens": 0}


def test_a_base_model_lacks_prefix_and_head(made: Checkpoint, tmp_path: Path) -> None:
    body = {key.replace("model.", "", 1): value for key, value in made.tensors.items() if key != "lm_head.weight"}
    assert loaded(Tree(body, made.config), made, tmp_path)["tensors"] == 0


def test_a_multimodal_model_moves_its_containers(made: Checkpoint, tmp_path: Path) -> None:
    def old(key: str) -> str:
        return "language_model." + key

    def new(key: str) -> str:
        return key.replace("model.", "model.language_model.", 1)

    written = Checkpoint(made.path, made.config, {old(key): value for key, value in made.tensors.items()})
    model = Tree({new(key): value for key, value in made.tensors.items()}, made.config)
    assert loaded(model, written, tmp_path)["tensors"] == 0
    assert loaded(model, made, tmp_path, rename=new)["tensors"] == 0


@pytest.mark.parametrize("fault", ["permuted", "swapped", "one bit", "zero", "not a number", "meta", "shape"])
def test_a_changed_tensor_is_one_difference(model: Tree, made: Checkpoint, tmp_path: Path, fault: str) -> None:
    weight = model.model.layers.__getattr__("1").mlp.up_proj
    value = weight.weight.data
    weight.weight = torch.nn.Parameter(
        {
            "permuted": lambda: value[torch.randperm(len(value), generator=torch.Generator().manual_seed(0))],
            "swapped": lambda: model.model.layers.__getattr__("2").mlp.up_proj.weight.data,
            "one bit": lambda: torch.nextafter(value, torch.full_like(value, math.inf)).where(
                torch.arange(value.numel()).view_as(value) == 5, value
            ),
            "zero": lambda: torch.zeros_like(value),
            "not a number": lambda: torch.full_like(value, math.nan),
            "meta": lambda: value.to("meta"),
            "shape": value.t,
        }[fault](),
        requires_grad=False,
    )
    assert loaded(model, made, tmp_path)["tensors"] == 1


def test_what_is_too_many_or_too_few_counts(model: Tree, made: Checkpoint, tmp_path: Path) -> None:
    _holder(model, "model.extra.weight").register_parameter("weight", torch.nn.Parameter(torch.ones(2)))
    assert loaded(model, made, tmp_path)["tensors"] == 1
    del model.model.extra
    del model.model.norm.weight
    assert loaded(model, made, tmp_path)["tensors"] == 1


def test_a_head_that_is_not_in_the_file_must_be_the_embedding(tmp_path: Path) -> None:
    made = models.llama(tmp_path / "tied", tied=True)
    head = made.tensors["model.embed_tokens.weight"]
    assert loaded(Tree({**made.tensors, "lm_head.weight": head}, made.config), made, tmp_path)["tensors"] == 0
    assert loaded(Tree({**made.tensors, "lm_head.weight": head.flip(0)}, made.config), made, tmp_path)["tensors"] == 1


def test_a_head_that_is_in_the_file_is_not_the_embedding(made: Checkpoint, tmp_path: Path) -> None:
    wrong = {**made.tensors, "lm_head.weight": made.tensors["model.embed_tokens.weight"]}
    assert loaded(Tree(wrong, made.config), made, tmp_path)["tensors"] == 1


@pytest.mark.parametrize("asked", ["float16", "bfloat16"])
def test_a_requested_dtype_is_rounded_once(made: Checkpoint, tmp_path: Path, asked: str) -> None:
    kind = verify.as_dtype(asked)
    other = torch.bfloat16 if asked == "float16" else torch.float16
    count = len(made.tensors)
    right = Tree({key: value.to(kind) for key, value in made.tensors.items()}, made.config)
    twice = Tree({key: value.to(other).to(kind) for key, value in made.tensors.items()}, made.config)
    assert loaded(right, made, tmp_path, dtype=asked)["tensors"] == 0
    assert loaded(twice, made, tmp_path, dtype=asked)["tensors"] == count
    assert loaded(Tree(made.tensors, made.config), made, tmp_path, dtype=asked)["tensors"] == count
    assert loaded(right, made, tmp_path)["tensors"] == count, "nobody asked for rounding"


def test_a_wider_dtype_holds_the_same_values(tmp_path: Path) -> None:
    made = models.oneke(tmp_path / "half")
    wider = Tree({key: value.float() for key, value in made.tensors.items()}, made.config)
    assert loaded(wider, made, tmp_path)["tensors"] == 0


def _fused(made: Checkpoint, first: str = "w1", second: str = "w3") -> dict[str, torch.Tensor]:
    body = {k.replace("block_sparse_moe.gate", "mlp.gate"): v for k, v in made.tensors.items() if ".experts." not in k}
    for layer in range(made.config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        old = f"{prefix}.block_sparse_moe.experts"
        numbers = range(made.config["num_local_experts"])
        parts = {w: [made.tensors[f"{old}.{n}.{w}.weight"] for n in numbers] for w in ("w1", "w2", "w3")}
        pairs = [torch.cat([a, b]) for a, b in zip(parts[first], parts[second], strict=True)]
        body[f"{prefix}.mlp.experts.gate_up_proj"] = torch.stack(pairs)
        body[f"{prefix}.mlp.experts.down_proj"] = torch.stack(parts["w2"])
    return body


def test_fused_experts_are_the_stacked_ones(tmp_path: Path) -> None:
    made = models.mixtral(tmp_path / "made")
    count = made.config["num_hidden_layers"]
    assert loaded(Tree(_fused(made), made.config), made, tmp_path)["tensors"] == 0
    assert loaded(Tree(made.tensors, made.config), made, tmp_path)["tensors"] == 0
    assert loaded(Tree(_fused(made, "w3", "w1"), made.config), made, tmp_path)["tensors"] == count


@pytest.mark.parametrize("fault", ["not a number", "meta", "unscaled", "other base", "last"])
def test_a_lost_buffer_is_seen(model: Tree, made: Checkpoint, tmp_path: Path, fault: str) -> None:
    right = layers.rope_of(made.config).float()
    wrong = {
        "not a number": torch.full_like(right, math.nan),
        "meta": right.to("meta"),
        "unscaled": layers.rope_frequencies(layers.head_size(made.config), made.config["rope_theta"]).float(),
        "other base": layers.rope_frequencies(layers.head_size(made.config), 10_000.0).float(),
        "last": right * torch.tensor([1.0] * (len(right) - 1) + [1 + 1e-4]),
    }[fault]
    set_buffer(model, "model.rotary_emb.inv_freq", wrong)
    assert loaded(model, made, tmp_path) == {"tensors": 0, "buffers": 1, "end tokens": 0}


def test_tables_of_cosines_are_checked(tmp_path: Path) -> None:
    made = models.llama(tmp_path / "made")
    model = Tree(made.tensors, made.config)
    angles = torch.outer(torch.arange(512.0), layers.rope_of(made.config).float()).repeat(1, 2)
    set_buffer(model, "model.layers.0.self_attn.rotary_emb.cos_cached", angles.cos())
    set_buffer(model, "model.layers.0.self_attn.rotary_emb.sin_cached", angles.sin())
    assert loaded(model, made, tmp_path)["buffers"] == 0
    set_buffer(model, "model.layers.0.self_attn.rotary_emb._cos_cached", angles.sin())
    assert loaded(model, made, tmp_path)["buffers"] == 1


def test_gemma3_has_two_sets_of_frequencies() -> None:
    config = {
        "text_config": {
            "model_type": "gemma3_text",
            "head_dim": 8,
            "rope_scaling": {"rope_type": "linear", "factor": 8.0},
        }
    }
    local = layers.rope_frequencies(8, 10_000.0)
    assert torch.equal(buffers.rotary(config, "model.rotary_emb_local.inv_freq"), local)
    assert torch.equal(buffers.rotary(config, "rotary_emb.sliding_attention_inv_freq"), local)
    widened = layers.rope_frequencies(8, 1_000_000.0) / 8
    assert torch.equal(buffers.rotary(config, "rotary_emb.full_attention_inv_freq"), widened)


def _forward(model: Tree, made: Checkpoint, tmp_path: Path, dtype: str, **arguments: Any) -> dict[str, Any]:
    cell = Cell("test/test", tmp_path)
    verify.forward(cell, model, IDS, llama.logits(made.config, made.tensors, IDS), dtype, **arguments)
    return cell.checks[0]


@pytest.mark.parametrize(("dtype", "error"), [("float32", 1e-3), ("float16", 0.5), ("bfloat16", 4.0)])
def test_outputs_must_be_within_rounding(
    model: Tree, made: Checkpoint, tmp_path: Path, dtype: str, error: float
) -> None:
    check = _forward(model, made, tmp_path, dtype)
    assert check["measured"] <= check["limit"]
    model.error = error
    check = _forward(model, made, tmp_path, dtype)
    assert check["measured"] > check["limit"]


def test_padding_is_left_out(model: Tree, made: Checkpoint, tmp_path: Path) -> None:
    right = llama.logits(made.config, made.tensors, IDS)
    model.outputs = lambda ids: right.index_fill(1, torch.tensor([0]), math.nan)
    assert _forward(model, made, tmp_path, "float32")["measured"] == math.inf
    mask = torch.tensor([[0, 1, 1, 1, 1, 1]])
    assert _forward(model, made, tmp_path, "float32", attention_mask=mask)["measured"] == 0


@pytest.mark.parametrize("fault", ["nan", "meta", "shape"])
def test_an_output_that_cannot_be_compared_is_infinitely_far(
    model: Tree, made: Checkpoint, tmp_path: Path, fault: str
) -> None:
    right = llama.logits(made.config, made.tensors, IDS)
    wrong = {"nan": right * math.nan, "meta": right.to("meta"), "shape": right[..., :-1]}[fault]
    model.outputs = lambda ids: wrong
    assert _forward(model, made, tmp_path, "float32")["measured"] == math.inf


def test_tolerance_grows_with_depth_size_and_coarseness() -> None:
    assert verify.tolerance("float32", 2, 1.0) < verify.tolerance("float32", 20, 1.0)
    assert verify.tolerance("float16", 2, 2.0) == 2 * verify.tolerance("float16", 2, 1.0)
    assert verify.tolerance("bfloat16", 2, 1.0) == 8 * verify.tolerance("float16", 2, 1.0)


def _generate(model: Tree, tmp_path: Path, **options: Any) -> "dict[str, bool]":
    cell = Cell("test/test", tmp_path)
    verify.generate(cell, model, IDS, model.outputs, new_tokens=4, **options)
    assert cell.answered
    return {check["name"]: check["measured"] <= check["limit"] for check in cell.checks}


def test_generate_compares_scores_and_tokens_at_every_step(model: Tree, tmp_path: Path) -> None:
    def broken(**options: Any) -> "list[str]":
        return [name for name, holds in _generate(model, tmp_path, **options).items() if not holds]

    assert broken() == []
    model.error = 0.1  # the same tokens, from other scores
    assert broken() == ["generate scores", "generate scores mean"]
    model.error, model.repeats = 0.0, True  # the right scores, another token
    assert broken(use_cache=False) == ["generate-uncached tokens"]


def test_generate_looks_no_further_than_the_end_token(model: Tree, tmp_path: Path) -> None:
    first = int(model.outputs(IDS)[0, -1].argmax())
    model.generation_config = SimpleNamespace(eos_token_id=first)
    ended = model.outputs

    def after_the_end(ids: torch.Tensor) -> torch.Tensor:
        return ended(ids) + (1.0 if ids.shape[1] > IDS.shape[1] else 0.0) * (ids[:, -1:, None] == first)

    cell = Cell("test/test", tmp_path)
    model.outputs = after_the_end
    verify.generate(cell, model, IDS[:1], ended, new_tokens=4)
    assert all(check["measured"] <= check["limit"] for check in cell.checks)


def test_place_refuses_what_is_ambiguous() -> None:
    assert keys.place(["model.a.weight"], ["a.weight"]) == {"model.a.weight": "a.weight"}
    assert keys.place(["model.a.weight"], ["a.weight", "language_model.a.weight"]) == {"model.a.weight": None}
    assert keys.place(["model.a.weight", "vision_model.a.weight"], ["a.weight"]) == {
        "model.a.weight": None,
        "vision_model.a.weight": None,
    }


def test_modules_are_in_execution_order(made: Checkpoint) -> None:
    sizes = layout.modules(made.tensors)
    assert list(sizes) == ["model.embed_tokens", *[f"model.layers.{n}" for n in range(3)], "model.norm", "lm_head"]
    assert sum(sizes.values()) == sum(tensor.numel() for tensor in made.tensors.values())
    headless = layout.modules(made.tensors, head=False)
    assert list(headless) == ["embed_tokens", *[f"layers.{n}" for n in range(3)], "norm"]


@pytest.mark.parametrize("name", plans.SIMPLE + plans.OFFLOADED)
def test_every_plan_has_arguments(name: str, made: Checkpoint, tmp_path: Path) -> None:
    arguments = plans.plan(name, tmp_path, made.tensors)
    if name.startswith("disk"):
        assert sorted(set(arguments["device_map"].values())) == plans.wanted(name)
    assert ("offload_folder" in arguments) == ("disk" in name and name != "disk-no-folder")


def test_a_plan_that_did_not_come_out_is_seen(model: Tree, tmp_path: Path) -> None:
    cell = Cell("test/test", tmp_path)
    model.hf_device_map = {"": "cpu"}
    with pytest.raises(plans.PlanError, match="wanted parts on cpu, disk; they are on cpu"):
        plans.came_out(cell, model, "disk")
