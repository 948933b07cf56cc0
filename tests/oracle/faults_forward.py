"""Faults in what a forward pass computes, with every tensor and buffer as it should be: only outputs tell."""

from collections.abc import Callable
from typing import Any

import torch

from tests.oracle.anatomy import (
    Absent,
    around,
    bend_mask,
    decoding,
    fault,
    first,
    layers,
    named,
    on_output,
)

ALL = ("llama", "gemma3-text", "gemma3", "mixtral")


@fault("llama", "gemma3-text")
def norm_multiplies_by_another_one(model: Any) -> None:
    """Llama's norm computed as Gemma's, and the reverse."""
    norm = layers(model)[1].input_layernorm
    gemma = "Gemma" in type(norm).__name__
    on_output(
        norm, lambda value: value * (norm.weight / (1 + norm.weight) if gemma else (1 + norm.weight) / norm.weight)
    )


@fault("llama", "gemma3-text", "mixtral")
def last_norm_skipped(model: Any) -> None:
    around(named(model, "norm")[-1], lambda _forward, kwargs: next(iter(kwargs.values())))


@fault(*ALL)
def epsilon_changed(model: Any) -> None:
    """1e-3 for 1e-5 or 1e-6."""
    changed = 0
    for module in model.modules():
        for name in ("variance_epsilon", "eps"):
            if "RMSNorm" in type(module).__name__ and hasattr(module, name):
                setattr(module, name, 1e-3)
                changed += 1
    if not changed:
        raise Absent("no norm has an epsilon")


@fault("llama")
def epsilon_of_another_family(model: Any) -> None:
    """1e-6, the default, for the 1e-5 of the configuration."""
    for module in model.modules():
        if hasattr(module, "variance_epsilon"):
            module.variance_epsilon = 1e-6


@fault("llama", "mixtral")
def query_scale_changed(model: Any) -> None:
    for layer in layers(model):
        on_output(layer.self_attn.q_proj, lambda value: value * 1.01)


@fault("gemma3-text", "gemma3")
def query_scale_of_the_head(model: Any) -> None:
    """The root of the head's width, where the configuration has a scalar of its own."""
    for layer in layers(model):
        layer.self_attn.scaling = layer.self_attn.head_dim**-0.5


@fault("gemma3-text")
def query_norm_skipped(model: Any) -> None:
    around(layers(model)[1].self_attn.q_norm, lambda _forward, kwargs: next(iter(kwargs.values())))


@fault("llama")
def grouped_heads_interleaved(model: Any) -> None:
    """Query head h shares key head h % 2, where h // 2 is right."""
    for layer in layers(model):
        attention = layer.self_attn
        size = len(attention.q_proj.weight) // 4

        def regroup(value: torch.Tensor, size: int = size) -> torch.Tensor:
            return value.unflatten(-1, (4, size))[..., [0, 2, 1, 3], :].flatten(-2)

        on_output(attention.q_proj, regroup)
        attention.o_proj.register_forward_pre_hook(lambda _module, args, regroup=regroup: (regroup(args[0]),))


@fault("llama", "mixtral")
def rope_pairs_interleaved(model: Any) -> None:
    """Number 2 i turned with 2 i + 1, where i goes with i + D / 2."""
    size = model.config.hidden_size // model.config.num_attention_heads
    order = torch.arange(size).view(-1, 2).t().flatten()
    for layer in layers(model):
        for name in ("q_proj", "k_proj"):
            on_output(
                getattr(layer.self_attn, name), lambda value: value.unflatten(-1, (-1, size))[..., order].flatten(-2)
            )


@fault("llama", "gemma3-text", "mixtral")
def rope_magnitude_changed(model: Any) -> None:
    """Cosines and sines a hundredth too large, from the right frequencies."""
    for module in model.modules():
        if "RotaryEmbedding" in type(module).__name__:
            module.register_forward_hook(lambda _module, _args, output: tuple(1.01 * value for value in output))


@fault("llama-tied", "gemma3-text", "mixtral")
def activation_changed(model: Any) -> None:
    """The exact GELU for its approximation by a hyperbolic tangent; ReLU for SiLU."""
    gemma = "Gemma" in type(model).__name__
    for module in model.modules():
        if hasattr(module, "act_fn"):
            module.act_fn = torch.nn.GELU() if gemma else torch.nn.ReLU()


@fault(*ALL)
def layer_skipped(model: Any) -> None:
    around(layers(model)[1], _skip)


def _skip(forward: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
    output = forward(**kwargs)
    states = kwargs["hidden_states"]
    return (states, *output[1:]) if isinstance(output, tuple) else states


@fault(*ALL)
def layer_run_twice(model: Any) -> None:
    around(layers(model)[0], _twice)


def _twice(forward: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
    """The second time without a cache, which would otherwise keep the tokens twice."""
    output = forward(**kwargs)
    states = output[0] if isinstance(output, tuple) else output
    without = {"past_key_value": None, "past_key_values": None, "use_cache": False}
    length = states.shape[1]
    again = (
        forward(**{**kwargs, **{name: without.get(name, kwargs[name]) for name in kwargs}, "hidden_states": states})
        if length > 1
        else output
    )
    seen = again[0] if isinstance(again, tuple) else again
    return (seen, *output[1:]) if isinstance(output, tuple) else seen


@fault("llama", "gemma3-text")
def residual_lost(model: Any) -> None:
    def change(forward: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
        output = forward(**kwargs)
        if isinstance(output, tuple):
            return (output[0] - kwargs["hidden_states"], *output[1:])
        return output - kwargs["hidden_states"]

    around(layers(model)[1], change)


@fault("llama", "gemma3-text", "mixtral", eager=True)
def attention_not_causal(model: Any) -> None:
    for layer in layers(model):
        bend_mask(layer.self_attn, torch.zeros_like)


@fault("llama", "gemma3-text", "mixtral", eager=True)
def causal_mask_off_by_one(model: Any) -> None:
    """Each token sees the next one too."""

    def change(mask: torch.Tensor) -> torch.Tensor:
        return torch.cat([mask[:, :, 1:], mask[:, :, -1:]], dim=2) if mask.shape[2] > 1 else mask

    bend_mask(layers(model)[1].self_attn, change)


@fault("llama", "mixtral", eager=True)
def window_where_none_is_asked(model: Any) -> None:
    def change(mask: torch.Tensor) -> torch.Tensor:
        beyond = torch.ones_like(mask).tril(mask.shape[-1] - mask.shape[-2] - 4)
        return mask.masked_fill(beyond.bool(), torch.finfo(mask.dtype).min)

    for layer in layers(model):
        bend_mask(layer.self_attn, change)


@fault("llama", "gemma3-text", "mixtral")
def padding_mask_ignored(model: Any) -> None:
    def change(forward: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
        mask = kwargs.get("attention_mask")
        return forward(**{**kwargs, "attention_mask": None if mask is None else torch.ones_like(mask)})

    around(model, change)


@fault("llama", "gemma3-text")
def padding_mask_reversed(model: Any) -> None:
    """Padding assumed on the right, where it is on the left."""

    def change(forward: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
        mask = kwargs.get("attention_mask")
        return forward(**{**kwargs, "attention_mask": None if mask is None else mask.flip(-1)})

    around(model, change)


@fault("llama", "gemma3-text", "mixtral")
def positions_with_a_gap(model: Any) -> None:
    def change(forward: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
        ids = kwargs["input_ids"]
        if not decoding(kwargs):
            at = torch.arange(ids.shape[1])
            kwargs = {**kwargs, "position_ids": (at + (at > 4)).expand(ids.shape)}
        return forward(**kwargs)

    around(model, change)


@fault("llama", "gemma3-text")
def rows_of_the_batch_swapped(model: Any) -> None:
    on_output(model.get_output_embeddings(), lambda value: value.flip(0))


@fault("llama")
def logits_one_place_early(model: Any) -> None:
    on_output(model.get_output_embeddings(), lambda value: value.roll(-1, dims=1) if value.shape[1] > 1 else value)


@fault("llama", "gemma3-text", "gemma3")
def logits_capped(model: Any) -> None:
    """Gemma 2's soft cap at 30."""
    on_output(model.get_output_embeddings(), lambda value: 30 * torch.tanh(value / 30))


@fault("llama-tied")
def embedding_scaled_as_gemmas(model: Any) -> None:
    on_output(first(model, "embed_tokens"), lambda value: value * model.config.hidden_size**0.5)


@fault("llama", "gemma3-text")
def computed_in_bfloat16(model: Any) -> None:
    """The tensors are the file's, but every product is rounded."""

    def change(forward: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return forward(**kwargs)

    around(model, change)


@fault("llama", "gemma3-text")
def right_only_the_first_time(model: Any) -> None:
    """A hook that gives back the wrong weights after the first call."""
    weight = layers(model)[1].mlp.up_proj.weight
    right = weight.detach().clone()
    calls = 0

    def before(_module: Any, _args: Any) -> None:
        nonlocal calls
        calls += 1
        weight.data = right if calls == 1 else right.flip(0)

    layers(model)[1].mlp.up_proj.register_forward_pre_hook(before)
