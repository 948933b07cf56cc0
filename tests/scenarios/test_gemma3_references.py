"""Gemma 3 and SigLIP in float64, against numbers worked out by hand and plain Python loops."""

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch")

from scenarios.common.models_gemma3 import gemma3_multimodal, gemma3_text  # noqa: E402
from scenarios.common.references import gemma3_multimodal as multimodal  # noqa: E402
from scenarios.common.references import gemma3_text as text  # noqa: E402
from scenarios.common.references import siglip  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor

pytestmark = pytest.mark.torch

# A model that can be followed by hand: width 2, one head of 2, every projection the identity.
TINY: dict[str, Any] = {
    "head_dim": 2,
    "hidden_size": 2,
    "num_attention_heads": 1,
    "num_hidden_layers": 1,
    "num_key_value_heads": 1,
    "query_pre_attn_scalar": 4,
    "rms_norm_eps": 0.0,
    "rope_local_base_freq": 10.0,
    "sliding_window": 8,
}
NORMS = {
    "input_layernorm": [0.5, 0.0],
    "post_attention_layernorm": [0.0, 1.0],
    "pre_feedforward_layernorm": [0.25, -0.5],
    "post_feedforward_layernorm": [-0.5, 0.5],
    "self_attn.q_norm": [1.0, 0.0],
    "self_attn.k_norm": [0.0, 2.0],
}
FINAL = [0.0, -0.25]
ROWS = [[1.0, 0.5], [-0.5, 2.0], [0.25, -1.0]]


def double(values: Any) -> "Tensor":
    return torch.tensor(values, dtype=torch.float64)


def tiny_tensors() -> dict[str, "Tensor"]:
    tensors = {f"model.layers.0.{name}.weight": double(values) for name, values in NORMS.items()}
    for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
        tensors[f"model.layers.0.self_attn.{name}.weight"] = torch.eye(2, dtype=torch.float64)
    for name in ("gate_proj", "up_proj", "down_proj"):
        tensors[f"model.layers.0.mlp.{name}.weight"] = torch.eye(2, dtype=torch.float64)
    return {
        **tensors,
        "model.embed_tokens.weight": double(ROWS),
        "model.norm.weight": double(FINAL),
    }


def normed(values: list[float], weight: list[float]) -> list[float]:
    size = math.sqrt(sum(one * one for one in values) / len(values))
    return [one / size * (1 + scale) for one, scale in zip(values, weight, strict=True)]


def turned(values: list[float], angle: float) -> list[float]:
    first, second = values
    return [
        first * math.cos(angle) - second * math.sin(angle),
        second * math.cos(angle) + first * math.sin(angle),
    ]


def gelu(value: float) -> float:
    return 0.5 * value * (1 + math.tanh(math.sqrt(2 / math.pi) * (value + 0.044715 * value**3)))


def add(one: list[float], other: list[float]) -> list[float]:
    return [a + b for a, b in zip(one, other, strict=True)]


def tiny_by_hand(tokens: list[int], sees: list[list[int]]) -> list[list[float]]:
    """The tiny model in loops; ``sees[i]`` are the positions that position i attends to."""
    states = [[value * math.sqrt(2) for value in ROWS[token]] for token in tokens]
    inputs = [normed(state, NORMS["input_layernorm"]) for state in states]
    # One pair of numbers: its frequency is base ** 0 = 1, so that the angle is the position.
    queries = [turned(normed(one, NORMS["self_attn.q_norm"]), at) for at, one in enumerate(inputs)]
    keys = [turned(normed(one, NORMS["self_attn.k_norm"]), at) for at, one in enumerate(inputs)]
    results = []
    for at, state in enumerate(states):
        scores = [math.exp(sum(q * k for q, k in zip(queries[at], keys[i], strict=True)) / 2) for i in sees[at]]
        mixed = [sum(s * inputs[i][d] for s, i in zip(scores, sees[at], strict=True)) / sum(scores) for d in (0, 1)]
        middle = add(state, normed(mixed, NORMS["post_attention_layernorm"]))
        inner = [gelu(one) * one for one in normed(middle, NORMS["pre_feedforward_layernorm"])]
        results.append(normed(add(middle, normed(inner, NORMS["post_feedforward_layernorm"])), FINAL))
    return results


def test_a_layer_is_what_loops_give() -> None:
    observed = text.hidden(TINY, tiny_tensors(), torch.tensor([[0, 1, 2]]))
    assert torch.allclose(observed[0], double(tiny_by_hand([0, 1, 2], [[0], [0, 1], [0, 1, 2]])), atol=1e-12)


def test_the_window_counts_the_token_itself() -> None:
    observed = text.hidden({**TINY, "sliding_window": 2}, tiny_tensors(), torch.tensor([[0, 1, 2]]))
    assert torch.allclose(observed[0], double(tiny_by_hand([0, 1, 2], [[0], [0, 1], [1, 2]])), atol=1e-12)


def test_a_global_layer_has_no_window() -> None:
    config = {**TINY, "sliding_window": 1, "sliding_window_pattern": 1}
    observed = text.hidden(config, tiny_tensors(), torch.tensor([[0, 1, 2]]))
    assert torch.allclose(observed[0], double(tiny_by_hand([0, 1, 2], [[0], [0, 1], [0, 1, 2]])), atol=1e-12)


def test_tokens_of_a_block_see_each_other() -> None:
    blocks = torch.tensor([[1, 1, 0]])
    observed = text.hidden(TINY, tiny_tensors(), torch.tensor([[0, 1, 2]]), blocks=blocks)
    assert torch.allclose(observed[0], double(tiny_by_hand([0, 1, 2], [[0, 1], [0, 1], [0, 1, 2]])), atol=1e-12)


def test_the_head_is_the_embedding() -> None:
    states = double(tiny_by_hand([2], [[0]]))
    observed = text.logits(TINY, tiny_tensors(), torch.tensor([[2]]))
    assert torch.allclose(observed[0], states @ double(ROWS).T, atol=1e-12)


def test_padding_on_either_side_changes_nothing() -> None:
    tensors = tiny_tensors()
    plain = text.hidden(TINY, tensors, torch.tensor([[0, 1, 2]]))
    left = text.hidden(TINY, tensors, torch.tensor([[1, 1, 0, 1, 2]]), torch.tensor([[0, 0, 1, 1, 1]]))
    right = text.hidden(TINY, tensors, torch.tensor([[0, 1, 2, 2]]), torch.tensor([[1, 1, 1, 0]]))
    assert torch.allclose(left[:, 2:], plain, atol=1e-12)
    assert torch.allclose(right[:, :3], plain, atol=1e-12)


def test_scaled_embeddings_can_be_given() -> None:
    tensors, ids = tiny_tensors(), torch.tensor([[0, 1, 2]])
    given = text.embed(TINY, tensors, ids)
    assert torch.equal(text.hidden(TINY, tensors, inputs_embeds=given), text.hidden(TINY, tensors, ids))
    with pytest.raises(ValueError, match="either"):
        text.hidden(TINY, tensors, ids, inputs_embeds=given)


def test_the_root_of_the_width_is_rounded_where_asked() -> None:
    config, tensors, ids = {"hidden_size": 48}, {"model.embed_tokens.weight": torch.ones(1, 48)}, torch.tensor([[0]])
    assert text.embed(config, tensors, ids)[0, 0, 0] == pytest.approx(6.928203230275509, abs=1e-12)
    assert text.embed(config, tensors, ids, torch.bfloat16)[0, 0, 0] == 6.9375


def test_one_layer_in_six_is_global() -> None:
    assert [layer for layer in range(18) if text.is_global({}, layer)] == [5, 11, 17]
    assert [layer for layer in range(6) if text.is_global({"sliding_window_pattern": 3}, layer)] == [2, 5]


def test_rope_bases_and_stretching() -> None:
    config = {"head_dim": 4, "rope_scaling": {"factor": 8.0, "rope_type": "linear"}}
    assert torch.allclose(text.frequencies(config, 0), double([1.0, 0.01]))
    assert torch.allclose(text.frequencies(config, 5), double([1 / 8, 1 / 8000]))
    assert torch.allclose(text.frequencies({"head_dim": 4}, 5), double([1.0, 0.001]))
    with pytest.raises(ValueError, match="linear"):
        text.frequencies({"head_dim": 4, "rope_scaling": {"rope_type": "yarn"}}, 5)


def test_patches_are_cut_row_by_row() -> None:
    pixels = torch.arange(16.0).reshape(1, 1, 4, 4)
    expected = [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    assert siglip.patches(pixels, 2)[0].tolist() == expected


def test_patches_times_kernel_is_a_convolution() -> None:
    source = torch.Generator().manual_seed(0)
    pixels = torch.randn(2, 3, 6, 6, generator=source, dtype=torch.float64)
    kernel = torch.randn(5, 3, 2, 2, generator=source, dtype=torch.float64)
    expected = torch.nn.functional.conv2d(pixels, kernel, stride=2).flatten(2).transpose(1, 2)
    assert torch.allclose(siglip.patches(pixels, 2) @ kernel.flatten(1).T, expected, atol=1e-12)


def test_a_tower_without_layers_norms_its_patches() -> None:
    prefix = "vision_tower.vision_model"
    tensors = {
        f"{prefix}.embeddings.patch_embedding.weight": torch.tensor([1.0, -1.0]).reshape(2, 1, 1, 1).repeat(1, 3, 1, 1),
        f"{prefix}.embeddings.patch_embedding.bias": torch.tensor([1.0, 0.0]),
        f"{prefix}.embeddings.position_embedding.weight": torch.tensor([[0.0, 2.0]]),
        f"{prefix}.post_layernorm.weight": torch.tensor([3.0, 2.0]),
        f"{prefix}.post_layernorm.bias": torch.tensor([0.5, 0.0]),
    }
    # 3 * 1 + 1 = 4 and -3 + 2 = -1: mean 1.5, deviation 2.5, so +1 and -1.
    found = siglip.features({"patch_size": 1, "num_hidden_layers": 0}, tensors, torch.ones(1, 3, 1, 1))
    assert torch.allclose(found, double([[[3.5, -2.0]]]), atol=1e-6)


def test_pooling_averages_squares() -> None:
    states = torch.arange(16.0).reshape(1, 16, 1)
    assert multimodal.pool(states, 4).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    with pytest.raises(ValueError, match="pooled"):
        multimodal.pool(states, 9)


def test_blocks_are_runs_of_image_tokens() -> None:
    ids = torch.tensor([[9, 9, 1, 9, 2], [1, 2, 3, 9, 9]])
    assert multimodal.image_blocks({"image_token_index": 9}, ids).tolist() == [[1, 1, 0, 2, 0], [0, 0, 0, 1, 1]]


def test_readings_differ_and_pictures_do_not_see_later_ones(tmp_path: Path) -> None:
    made = gemma3_multimodal(tmp_path, dtype="float32")
    source = torch.Generator().manual_seed(0)
    pixels = torch.randn(2, 3, 56, 56, generator=source)
    ids = torch.tensor([[2, *[128] * 4, 7, *[128] * 4, 9]])

    def run(pictures: "Tensor", image_mask: str) -> "Tensor":
        return multimodal.logits(made.config, made.tensors, ids, pictures, image_mask=image_mask)

    both, causal = run(pixels, "bidirectional"), run(pixels, "causal")
    assert torch.allclose(both[:, 0], causal[:, 0])
    assert (both[:, 1:] - causal[:, 1:]).abs().amax(-1).min() > 0.05
    other = run(torch.stack([pixels[0], pixels[1] + 1]), "bidirectional")
    assert torch.allclose(both[:, :6], other[:, :6])
    assert (both[:, 6:] - other[:, 6:]).abs().amax(-1).min() > 0.05


def test_without_a_picture_the_text_model_is_left(tmp_path: Path) -> None:
    made = gemma3_multimodal(tmp_path, dtype="float32")
    ids = torch.tensor([[2, 5, 9, 14]])
    expected = text.logits(made.config["text_config"], multimodal.text_tensors(made.tensors), ids)
    for reading in multimodal.READINGS:
        assert torch.equal(multimodal.logits(made.config, made.tensors, ids, image_mask=reading), expected)


def test_image_tokens_and_pictures_must_agree(tmp_path: Path) -> None:
    made = gemma3_multimodal(tmp_path)
    pixels = torch.zeros(1, 3, 56, 56)
    with pytest.raises(ValueError, match="3 image tokens, but the pictures give 4"):
        multimodal.logits(made.config, made.tensors, torch.tensor([[2, 128, 128, 128]]), pixels)
    with pytest.raises(ValueError, match="image_mask"):
        multimodal.logits(made.config, made.tensors, torch.tensor([[2]]), image_mask="both")


def test_every_tensor_of_the_checkpoints_matters(tmp_path: Path) -> None:
    """No weight is so small, or so far from the output, that losing it would go unseen."""
    made = gemma3_multimodal(tmp_path, dtype="float32")
    pixels = torch.randn(1, 3, 56, 56, generator=torch.Generator().manual_seed(0))
    ids = torch.tensor([[2, 5, *[128] * 4, 9, 14, 33, 80, 7, 21, 64]])
    expected = multimodal.logits(made.config, made.tensors, ids, pixels)
    for name, tensor in made.tensors.items():
        changed = multimodal.logits(made.config, {**made.tensors, name: torch.zeros_like(tensor)}, ids, pixels)
        # A bias of the keys moves all scores of a query alike, which a softmax does not see.
        if not name.endswith("k_proj.bias"):
            assert float((changed - expected).abs().max()) > 0.01, name


def test_the_published_layout(tmp_path: Path) -> None:
    plain, both = gemma3_text(tmp_path / "text"), gemma3_multimodal(tmp_path / "both", shards=2)
    assert json.loads((plain.path / "config.json").read_text())["model_type"] == "gemma3_text"
    assert "lm_head.weight" not in plain.tensors
    assert {name.split(".")[0] for name in plain.tensors} == {"model"}
    assert {name.split(".")[0] for name in both.tensors} == {"language_model", "multi_modal_projector", "vision_tower"}
    assert {tensor.dtype for tensor in {**plain.tensors, **both.tensors}.values()} == {torch.bfloat16}
    layer = {name.removeprefix("model.layers.0.") for name in plain.tensors if name.startswith("model.layers.0.")}
    assert layer == {
        *(f"{name}.weight" for name in NORMS),
        *(f"self_attn.{name}_proj.weight" for name in "qkvo"),
        *(f"mlp.{name}_proj.weight" for name in ("gate", "up", "down")),
    }
