"""The float64 references against numbers worked out by hand, and against each other."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from scenarios.common import models
from scenarios.common.checkpoint import Checkpoint
from scenarios.common.references import gemma, layers, llama, mixtral

pytestmark = pytest.mark.torch

Make = Callable[..., Checkpoint]

IDS = torch.tensor([[1, 17, 5, 9, 33, 64], [1, 8, 90, 4, 71, 29]])
FAMILIES = [(models.llama, llama), (models.gemma, gemma), (models.mixtral, mixtral), (models.oneke, llama)]
family = pytest.mark.parametrize(("make", "reference"), FAMILIES)


def doubles(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_rms_norm_by_hand() -> None:
    # The mean of 9 and 16 is 12.5; with 3.5 for epsilon, the root of 16.
    found = layers.rms_norm(doubles([3, 4]), doubles([2, 10]), 3.5)
    assert found.tolist() == [2 * 3 / 4, 10 * 4 / 4]


def test_gemma_norm_adds_one_to_the_weight() -> None:
    assert gemma.norm(doubles([3, 4]), doubles([1, 9]), 3.5).tolist() == [1.5, 10.0]


def test_rope_frequencies_by_hand() -> None:
    assert layers.rope_frequencies(4, 10000.0).tolist() == pytest.approx([1, 0.01])
    assert layers.rope_frequencies(6, 1000.0).tolist() == pytest.approx([1, 0.1, 0.01])


def test_rotation_by_a_quarter_turn_pairs_the_halves() -> None:
    # Pairs are (1, 3) and (2, 4): the first turns by 90 degrees, the second by 180.
    turned = layers.rotate(doubles([[[[1, 2, 3, 4]]]]), torch.tensor([[1]]), doubles([math.pi / 2, math.pi]))
    assert turned.flatten().tolist() == pytest.approx([-3, -2, 1, -4])


def test_rotation_at_position_zero_changes_nothing() -> None:
    states = doubles([[[[1, 2, 3, 4]]]])
    assert torch.equal(layers.rotate(states, torch.tensor([[0]]), doubles([1, 0.01])), states)


def test_scores_of_rotated_states_depend_on_the_distance_only() -> None:
    states = doubles([[[[0.3, -1, 2, 0.7]]]])
    frequencies = layers.rope_frequencies(4, 100.0)

    def score(query_at: int, key_at: int) -> float:
        query, key = (layers.rotate(states, torch.tensor([[at]]), frequencies) for at in (query_at, key_at))
        return float((query * key).sum())

    assert score(7, 4) == pytest.approx(score(103, 100))
    assert score(7, 4) != pytest.approx(score(7, 5))


def test_llama3_scaling_keeps_short_waves_slows_long_ones_and_blends_between() -> None:
    scaling = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    plain = layers.rope_frequencies(128, 500000.0)
    scaled = layers.rope_frequencies(128, 500000.0, scaling)
    wave = 2 * math.pi / plain
    short, long = wave < 8192 / 4, wave > 8192
    assert torch.equal(scaled[short], plain[short])
    assert torch.allclose(scaled[long], plain[long] / 8, rtol=1e-14)
    between = ~(short | long)
    assert int(between.sum()) > 1
    smooth = (8192 / wave[between] - 1) / 3
    expected = (1 - smooth) * plain[between] / 8 + smooth * plain[between]
    assert torch.allclose(scaled[between], expected, rtol=1e-14)


def test_unknown_rope_scaling_is_refused() -> None:
    with pytest.raises(ValueError, match="yarn"):
        layers.rope_frequencies(4, 10000.0, {"rope_type": "yarn", "factor": 4.0})


def test_rope_settings_of_transformers_5_mean_the_same(tmp_path: Path) -> None:
    config = models.llama(tmp_path, rope_scaling="llama3").config
    renamed = {k: v for k, v in config.items() if k not in ("rope_theta", "rope_scaling")}
    renamed["rope_parameters"] = {**config["rope_scaling"], "rope_theta": config["rope_theta"]}
    assert torch.equal(layers.rope_of(renamed), layers.rope_of(config))
    assert not torch.equal(layers.rope_of(config), layers.rope_frequencies(16, config["rope_theta"]))


def test_attention_of_one_head_by_hand() -> None:
    # Scores of the second query are ln 3 and 0: shares of 3/4 and 1/4. The first sees itself only.
    queries = doubles([[[[1], [math.log(3) / 2]]]])
    keys, values = doubles([[[[1], [0]]]]), doubles([[[[4], [8]]]])
    found = layers.attention(queries, keys, values, layers.visible(1, 2), 2.0)
    assert found.flatten().tolist() == pytest.approx([4, 0.75 * 4 + 0.25 * 8])


def test_query_that_sees_nothing_gives_zero() -> None:
    one = doubles([[[[1], [1]]]])
    allowed = layers.visible(1, 2, torch.tensor([[0, 1]]))
    assert layers.attention(one, one, one, allowed, 1.0).flatten().tolist() == [0, 1]


def test_grouped_attention_is_full_attention_with_repeated_heads(tmp_path: Path) -> None:
    grouped = models.llama(tmp_path)
    config, tensors = dict(grouped.config), dict(grouped.tensors)
    config["num_key_value_heads"] = config["num_attention_heads"]
    for name, tensor in grouped.tensors.items():
        if "k_proj" in name or "v_proj" in name:
            tensors[name] = tensor.unflatten(0, (2, -1)).repeat_interleave(2, dim=0).flatten(0, 1)
    expected = llama.logits(grouped.config, grouped.tensors, IDS)
    assert torch.allclose(llama.logits(config, tensors, IDS), expected, rtol=1e-12)


def test_window_hides_what_is_too_far_back() -> None:
    assert layers.visible(1, 3, window=2)[0, 0].int().tolist() == [[1, 0, 0], [1, 1, 0], [0, 1, 1]]


def test_mixture_of_experts_by_hand() -> None:
    # Scores of 3 + ln 3, 3, 0: the best two share 3/4 to 1/4; each expert is silu(x) * x * its factor.
    config = {"num_experts_per_tok": 2, "num_local_experts": 3}
    tensors = {"m.gate.weight": doubles([[3 + math.log(3)], [3], [0]])}
    for number, factor in enumerate([1, 10, 1000]):
        tensors[f"m.experts.{number}.w1.weight"] = doubles([[1]])
        tensors[f"m.experts.{number}.w3.weight"] = doubles([[1]])
        tensors[f"m.experts.{number}.w2.weight"] = doubles([[factor]])
    silu = 1 / (1 + math.exp(-1))
    found = mixtral.mixture(config, tensors, "m", doubles([[[1]]]))
    assert float(found) == pytest.approx((0.75 * 1 + 0.25 * 10) * silu)


def test_mixture_of_equal_experts_is_one_expert(tmp_path: Path) -> None:
    made = models.mixtral(tmp_path)
    tensors, dense = dict(made.tensors), dict(made.tensors)
    for layer in range(made.config["num_hidden_layers"]):
        moe, mlp = f"model.layers.{layer}.block_sparse_moe", f"model.layers.{layer}.mlp"
        for part, name in (("w1", "gate_proj"), ("w2", "down_proj"), ("w3", "up_proj")):
            for expert in range(4):
                tensors[f"{moe}.experts.{expert}.{part}.weight"] = made.tensors[f"{moe}.experts.0.{part}.weight"]
            dense[f"{mlp}.{name}.weight"] = made.tensors[f"{moe}.experts.0.{part}.weight"]
    expected = llama.logits(made.config, dense, IDS)
    assert torch.allclose(mixtral.logits(made.config, tensors, IDS), expected, rtol=1e-12)


def test_routing_gap_is_between_the_last_chosen_and_the_first_left_out() -> None:
    assert mixtral._gap(doubles([[5, 1, 4, 3.5]]), 2).tolist() == [0.5]
    assert mixtral._gap(doubles([[5, 1]]), 2).tolist() == [math.inf]


def test_routing_gap_leaves_padding_out(tmp_path: Path) -> None:
    made = models.mixtral(tmp_path)
    mask = torch.ones_like(IDS)
    mask[1, 4:] = 0
    whole = mixtral.routing_gap(made.config, made.tensors, IDS, mask)
    first = mixtral.routing_gap(made.config, made.tensors, IDS[:1])
    second = mixtral.routing_gap(made.config, made.tensors, IDS[1:, :4])
    assert 0 < whole == pytest.approx(min(first, second))


def test_gelu_of_gemma_is_the_tanh_approximation() -> None:
    one = {f"m.{name}_proj.weight": doubles([[1]]) for name in ("gate", "up", "down")}
    expected = 0.5 * (1 + math.tanh(math.sqrt(2 / math.pi) * (1 + 0.044715)))
    assert float(gemma.feed_forward(one, "m", doubles([[[1]]]))) == pytest.approx(expected, rel=1e-14)


@family
def test_later_token_never_changes_earlier_logits(make: Make, reference: Any, tmp_path: Path) -> None:
    made = make(tmp_path)
    changed = IDS.clone()
    changed[:, 4] += 1
    before = reference.logits(made.config, made.tensors, IDS)
    after = reference.logits(made.config, made.tensors, changed)
    assert torch.equal(before[:, :4], after[:, :4])
    assert bool(((before - after)[:, 4:].abs().amax(-1) > 0.01).all())


@family
@pytest.mark.parametrize("padding", [slice(0, 2), slice(4, None)], ids=["left", "right"])
def test_padding_changes_nothing_for_the_tokens(make: Make, reference: Any, padding: slice, tmp_path: Path) -> None:
    made = make(tmp_path)
    mask = torch.ones_like(IDS)
    mask[1, padding] = 0
    at = layers.positions(mask)
    assert at[1][mask[1].bool()].tolist() == [0, 1, 2, 3]
    found = reference.logits(made.config, made.tensors, IDS, mask, position_ids=at)
    alone = reference.logits(made.config, made.tensors, IDS[1:][mask[1:].bool()][None])
    assert torch.allclose(found[1][mask[1].bool()], alone[0], rtol=1e-12, atol=1e-12)
    # Rotary positions are relative: counting from the padding changes only the rounding.
    shifted = reference.logits(made.config, made.tensors, IDS, mask)
    assert torch.allclose(shifted[1][mask[1].bool()], alone[0], rtol=1e-9, atol=1e-9)


@family
def test_embeddings_in_place_of_ids_give_the_same(make: Make, reference: Any, tmp_path: Path) -> None:
    made = make(tmp_path)
    given = layers.embed(made.tensors, IDS)
    found = reference.logits(made.config, made.tensors, inputs_embeds=given)
    assert torch.equal(found, reference.logits(made.config, made.tensors, IDS))
    with pytest.raises(ValueError, match="either"):
        reference.logits(made.config, made.tensors, IDS, inputs_embeds=given)


@family
def test_every_tensor_moves_every_logit(make: Make, reference: Any, tmp_path: Path) -> None:
    made = make(tmp_path, dtype="float32")
    expected = reference.logits(made.config, made.tensors, IDS)
    for name, tensor in made.tensors.items():
        halved = reference.logits(made.config, {**made.tensors, name: tensor / 2}, IDS)
        # An expert that no token of the batch is sent to has no part in it; of four, each has some here.
        moved = (halved - expected).abs().amax((1, 2)).max()
        assert float(moved) > 1e-3 * float(expected.abs().max()), name


def test_heads_tied_and_not(tmp_path: Path) -> None:
    tied, untied = models.llama(tmp_path / "tied", tied=True), models.llama(tmp_path / "untied")
    copied = {**tied.tensors, "lm_head.weight": tied.tensors["model.embed_tokens.weight"]}
    expected = llama.logits(tied.config, tied.tensors, IDS)
    assert torch.equal(llama.logits(untied.config, copied, IDS), expected)
    hidden = llama.hidden(untied.config, untied.tensors, IDS)
    found = llama.logits(untied.config, untied.tensors, IDS)
    assert torch.equal(layers.head(untied.tensors, hidden), found)


@family
def test_what_follows_depends_on_more_than_the_last_token(make: Make, reference: Any, tmp_path: Path) -> None:
    # Else a load that spoils attention would still write the right tokens.
    made = make(tmp_path)
    function = partial(reference.logits, made.config, made.tensors)
    alone, found = function(IDS[:, -1:])[:, -1], function(IDS)[:, -1]
    assert not torch.equal(alone.argmax(-1), found.argmax(-1))
