"""Gemma 3's text model in float64 (2503.19786; google-deepmind/gemma for what the report leaves open).

Against Gemma 1: queries and keys are normed, each sublayer's output is normed too, five layers in six see
only a window, and those turn by another rope base than the global ones.
"""

import math
from typing import Optional

import torch
from torch import Tensor

from scenarios.common.references import layers
from scenarios.common.references.gemma import feed_forward, norm
from scenarios.common.references.layers import Config, Tensors

#: What the report says where a config says nothing (the text part of the multimodal ones does not).
DEFAULTS = {
    "rms_norm_eps": 1e-6,
    "rope_local_base_freq": 10_000.0,
    "rope_theta": 1_000_000.0,
    "sliding_window_pattern": 6,
}


def setting(config: Config, name: str) -> float:
    """A number of the config, or the report's where the config says nothing."""
    return float(config.get(name, DEFAULTS[name]))


def is_global(config: Config, layer: int) -> bool:
    """Whether a layer (from 0) sees everything before it: the last of each run of six."""
    return (layer + 1) % int(setting(config, "sliding_window_pattern")) == 0


def frequencies(config: Config, layer: int) -> Tensor:
    """Radians per position of a layer's pairs (D / 2,).

    Only the global layers were stretched to the long context, by dividing positions (2306.15595).

    Raises:
        ValueError: a kind of scaling that Gemma 3 was not published with.
    """
    size = layers.head_size(config)
    if not is_global(config, layer):
        return layers.rope_frequencies(size, setting(config, "rope_local_base_freq"))
    scaling = config.get("rope_scaling")
    if scaling is not None and scaling["rope_type"] != "linear":
        raise ValueError(f"rope scaling {scaling['rope_type']!r}: Gemma 3 was published with 'linear'")
    plain = layers.rope_frequencies(size, setting(config, "rope_theta"))
    return plain if scaling is None else plain / scaling["factor"]


def visible(
    batch: int, length: int, attention_mask: Optional[Tensor], window: Optional[int], blocks: Optional[Tensor]
) -> Tensor:
    """Which keys each query may see, as bool (B, 1, L, L).

    Args:
        batch: B.
        length: L.
        attention_mask: (B, L), 0 where a key is padding.
        window: a local layer's; None for a global one. It bounds the distance in both directions.
        blocks: (B, L), equal positive numbers where tokens see each other whichever comes first, 0 elsewhere.
    """
    causal = layers.visible(batch, length, attention_mask, window)
    if blocks is None:
        return causal
    together = (blocks[:, :, None] == blocks[:, None, :]) & (blocks[:, :, None] > 0)
    if window is not None:
        together = together & ((torch.arange(length)[:, None] - torch.arange(length)).abs() < window)
    if attention_mask is not None:
        together = together & attention_mask.bool()[:, None, :]
    return causal | together[:, None]


def self_attention(config: Config, tensors: Tensors, layer: int, states: Tensor, at: Tensor, allowed: Tensor) -> Tensor:
    """The attention of one layer: states (B, L, W) at positions (B, L) -> (B, L, W)."""
    name = f"model.layers.{layer}.self_attn"
    epsilon = setting(config, "rms_norm_eps")

    def heads(projection: str) -> Tensor:
        split = layers.linear(states, tensors, f"{name}.{projection}").unflatten(-1, (-1, layers.head_size(config)))
        return split.transpose(1, 2)

    turn = frequencies(config, layer)
    queries = norm(heads("q_proj"), layers.weight(tensors, f"{name}.q_norm"), epsilon)
    keys = norm(heads("k_proj"), layers.weight(tensors, f"{name}.k_norm"), epsilon)
    mixed = layers.attention(
        layers.rotate(queries, at, turn),
        layers.rotate(keys, at, turn),
        heads("v_proj"),
        allowed,
        config["query_pre_attn_scalar"] ** -0.5,
    )
    return layers.linear(mixed.transpose(1, 2).flatten(2), tensors, f"{name}.o_proj")


def embed(config: Config, tensors: Tensors, input_ids: Tensor, scale_dtype: Optional[torch.dtype] = None) -> Tensor:
    """Token embeddings times the square root of the width.

    Published code rounds that root to the dtype it computes in, some releases of transformers do not:
    in bfloat16 a relative difference of up to 2**-9, no more than any other rounding there.

    Args:
        config: the text config.
        tensors: with keys under ``model.``.
        input_ids: (B, L).
        scale_dtype: what the root is rounded to; not rounded where None.
    """
    root = torch.tensor(math.sqrt(config["hidden_size"]), dtype=torch.float64)
    return layers.embed(tensors, input_ids) * (root if scale_dtype is None else root.to(scale_dtype).to(torch.float64))


def hidden(
    config: Config,
    tensors: Tensors,
    input_ids: Optional[Tensor] = None,
    attention_mask: Optional[Tensor] = None,
    inputs_embeds: Optional[Tensor] = None,
    position_ids: Optional[Tensor] = None,
    *,
    blocks: Optional[Tensor] = None,
    scale_dtype: Optional[torch.dtype] = None,
) -> Tensor:
    """The last normed hidden states (B, L, W), which ``AutoModel`` returns.

    Args:
        config: the checkpoint's.
        tensors: the checkpoint's, with keys under ``model.``.
        input_ids: (B, L); or
        inputs_embeds: (B, L, W), as they enter the first layer: scaled already.
        attention_mask: (B, L), 0 on padding, left or right. States on padding mean nothing.
        position_ids: (B, L); 0, 1, 2, … where not given, padding or not.
        blocks: see :func:`visible`.
        scale_dtype: see :func:`embed`.

    Raises:
        ValueError: not exactly one kind of input, or a config with soft-capping, which Gemma 3 gave up.
    """
    if (input_ids is None) == (inputs_embeds is None):
        raise ValueError("give either input_ids or inputs_embeds")
    if config.get("attn_logit_softcapping") or config.get("final_logit_softcapping"):
        raise ValueError("the reference knows no soft-capping: Gemma 3 norms queries and keys instead")
    if inputs_embeds is not None:
        states = inputs_embeds.to(torch.float64)
    else:
        assert input_ids is not None
        states = embed(config, tensors, input_ids, scale_dtype)
    batch, length = states.shape[:2]
    at = torch.arange(length).expand(batch, length) if position_ids is None else position_ids
    for layer in range(config["num_hidden_layers"]):
        window = None if is_global(config, layer) else config["sliding_window"]
        allowed = visible(batch, length, attention_mask, window, blocks)
        states = _layer(config, tensors, layer, states, at, allowed)
    return norm(states, layers.weight(tensors, "model.norm"), setting(config, "rms_norm_eps"))


def _layer(config: Config, tensors: Tensors, layer: int, states: Tensor, at: Tensor, allowed: Tensor) -> Tensor:
    name = f"model.layers.{layer}"

    def normed(module: str, values: Tensor) -> Tensor:
        return norm(values, layers.weight(tensors, f"{name}.{module}"), setting(config, "rms_norm_eps"))

    seen = self_attention(config, tensors, layer, normed("input_layernorm", states), at, allowed)
    states = states + normed("post_attention_layernorm", seen)
    inner = feed_forward(tensors, f"{name}.mlp", normed("pre_feedforward_layernorm", states))
    return states + normed("post_feedforward_layernorm", inner)


def logits(
    config: Config,
    tensors: Tensors,
    input_ids: Optional[Tensor] = None,
    attention_mask: Optional[Tensor] = None,
    inputs_embeds: Optional[Tensor] = None,
    position_ids: Optional[Tensor] = None,
    *,
    blocks: Optional[Tensor] = None,
    scale_dtype: Optional[torch.dtype] = None,
) -> Tensor:
    """Logits (B, L, vocabulary), float64; the arguments of :func:`hidden`."""
    states = hidden(
        config,
        tensors,
        input_ids,
        attention_mask,
        inputs_embeds,
        position_ids,
        blocks=blocks,
        scale_dtype=scale_dtype,
    )
    return layers.head(tensors, states)
