"""Faults in values: tensors that are not the file's."""

import math
from collections.abc import Callable
from typing import Any

import torch

from tests.oracle.anatomy import fault, first, layers

ALL = ("llama", "gemma3-text", "gemma3", "mixtral")


def _query(model: Any) -> Any:
    return layers(model)[1].self_attn.q_proj


def _replace(module: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    module.weight = torch.nn.Parameter(change(module.weight.detach()).contiguous(), requires_grad=False)


def _swap(one: Any, other: Any) -> None:
    one.weight, other.weight = other.weight, one.weight


@fault(*ALL)
def permuted(model: Any) -> None:
    _replace(_query(model), lambda value: value[torch.arange(len(value)).roll(1)])


@fault("llama")
def transposed(model: Any) -> None:
    """A square matrix: its shape does not tell."""
    _replace(_query(model), torch.t)


@fault(*ALL)
def stale(model: Any) -> None:
    """Right in its spread, but of another training."""
    other = torch.Generator().manual_seed(1)
    _replace(_query(model), lambda value: torch.randn(value.shape, generator=other).to(value) * value.std())


@fault(*ALL)
def zeroed(model: Any) -> None:
    _replace(_query(model), torch.zeros_like)


@fault(*ALL)
def uninitialised(model: Any) -> None:
    _replace(_query(model), lambda value: torch.full_like(value, math.nan))


@fault("llama", "gemma3")
def one_row_off(model: Any) -> None:
    """A shard that was cut in the wrong place."""
    _replace(first(model, "embed_tokens"), lambda value: torch.cat([value[:1], value[:-1]]))


@fault("llama", "gemma3-text")
def one_value_changed_by_a_hundredth(model: Any) -> None:
    def change(value: torch.Tensor) -> torch.Tensor:
        changed = value.clone()
        changed[3, 5] *= 1.01
        return changed

    _replace(layers(model)[0].mlp.down_proj, change)


@fault("llama-bf16")
def one_bit_changed(model: Any) -> None:
    def change(value: torch.Tensor) -> torch.Tensor:
        bits = value.clone().view(torch.int16)
        bits[3, 5] ^= 1
        return bits.view(value.dtype)

    _replace(layers(model)[0].mlp.down_proj, change)


@fault("llama-tied")
def query_and_key_swapped(model: Any) -> None:
    """Of one head each, so that the shapes agree."""
    attention = layers(model)[1].self_attn
    size = len(attention.k_proj.weight) // 2
    with torch.no_grad():
        kept = attention.q_proj.weight[:size].clone()
        attention.q_proj.weight[:size] = attention.k_proj.weight[:size]
        attention.k_proj.weight[:size] = kept


@fault("llama", "gemma3-text", "mixtral")
def key_and_value_swapped(model: Any) -> None:
    attention = layers(model)[1].self_attn
    _swap(attention.k_proj, attention.v_proj)


@fault("gemma3-text", "gemma3")
def query_and_key_norms_swapped(model: Any) -> None:
    attention = layers(model)[1].self_attn
    _swap(attention.q_norm, attention.k_norm)


@fault(*ALL)
def two_layers_swapped(model: Any) -> None:
    found = layers(model)
    own, other = found[0].state_dict(keep_vars=True), found[1].state_dict(keep_vars=True)
    with torch.no_grad():
        for name, value in own.items():
            kept = value.clone()
            value.copy_(other[name])
            other[name].copy_(kept)


@fault("llama", "gemma3")
def gate_and_up_swapped(model: Any) -> None:
    block = layers(model)[1].mlp
    _swap(block.gate_proj, block.up_proj)


@fault("llama-tied", "gemma3-text", "gemma3")
def head_untied(model: Any) -> None:
    """A head of its own that nothing has filled."""
    head = model.get_output_embeddings()
    other = torch.Generator().manual_seed(1)
    _replace(head, lambda value: 0.02 * torch.randn(value.shape, generator=other))


@fault("llama", "mixtral")
def head_tied(model: Any) -> None:
    model.get_output_embeddings().weight = model.get_input_embeddings().weight


@fault("llama", "gemma3-text")
def norm_weight_off_by_one(model: Any) -> None:
    """Gemma's norms multiply by 1 + weight, Llama's by weight: converted once too often."""
    _replace(layers(model)[1].input_layernorm, lambda value: value + 1)


@fault("gemma3-text")
def norms_before_and_after_swapped(model: Any) -> None:
    layer = layers(model)[1]
    _swap(layer.pre_feedforward_layernorm, layer.post_feedforward_layernorm)


@fault("llama", "mixtral")
def norm_weights_lost(model: Any) -> None:
    """Left as they are when a model is made."""
    _replace(layers(model)[1].input_layernorm, torch.ones_like)


@fault("llama")
def padding_row_zeroed(model: Any) -> None:
    """``torch.nn.Embedding(padding_idx=0)`` made anew does this."""

    def change(value: torch.Tensor) -> torch.Tensor:
        return torch.cat([torch.zeros_like(value[:1]), value[1:]])

    _replace(first(model, "embed_tokens"), change)


@fault("llama", "gemma3-text")
def vocabulary_resized(model: Any) -> None:
    _replace(model.get_output_embeddings(), lambda value: torch.cat([value, value[:8]]))


@fault("llama")
def bias_invented(model: Any) -> None:
    query = _query(model)
    query.bias = torch.nn.Parameter(torch.full((len(query.weight),), 0.1))


@fault("llama", "gemma3-text", "mixtral")
def through_float16(model: Any) -> None:
    for value in model.parameters():
        value.data = value.data.half().float()


@fault("llama")
def through_bfloat16(model: Any) -> None:
    for value in model.parameters():
        value.data = value.data.bfloat16().float()


@fault("llama-bf16")
def loaded_as_float32(model: Any) -> None:
    model.float()


@fault("llama")
def loaded_as_float16(model: Any) -> None:
    model.half()


@fault("llama-bf16")
def one_norm_in_float32(model: Any) -> None:
    _replace(layers(model)[1].input_layernorm, torch.Tensor.float)


@fault(*ALL)
def parameter_on_meta(model: Any) -> None:
    _replace(layers(model)[2 if len(layers(model)) > 2 else 1].self_attn.o_proj, lambda value: value.to("meta"))


@fault("mixtral")
def two_experts_swapped(model: Any) -> None:
    _swap_experts(layers(model)[1])


def _swap_experts(layer: Any) -> None:
    block = layer.block_sparse_moe if hasattr(layer, "block_sparse_moe") else layer.mlp
    with torch.no_grad():
        if hasattr(block.experts, "gate_up_proj"):
            for name in ("gate_up_proj", "down_proj"):
                value = getattr(block.experts, name)
                value.copy_(value[[1, 0, *range(2, len(value))]])
        else:
            block.experts[0], block.experts[1] = block.experts[1], block.experts[0]


@fault("mixtral")
def gate_and_up_of_experts_swapped(model: Any) -> None:
    block = getattr(layers(model)[1], "block_sparse_moe", None)
    with torch.no_grad():
        if block is not None:
            for expert in block.experts:
                _swap(expert.w1, expert.w3)
        else:
            value = layers(model)[1].mlp.experts.gate_up_proj
            value.copy_(torch.cat(value.chunk(2, dim=1)[::-1], dim=1))
