"""What the references share: RMS norm, rotary positions, attention, and the decoder around them.

All in float64. Shapes: B sequences, L tokens, H heads, D numbers in a head, W the model's width.
"""

import math
from typing import Any, Callable, Mapping, Optional

import torch
from torch import Tensor

Config = Mapping[str, Any]
Tensors = Mapping[str, Tensor]
Norm = Callable[[Tensor, Tensor, float], Tensor]


def weight(tensors: Tensors, name: str) -> Tensor:
    """``name.weight`` in float64."""
    return tensors[f"{name}.weight"].to(torch.float64)


def linear(states: Tensor, tensors: Tensors, name: str) -> Tensor:
    """``states`` times the transposed weight of ``name``, plus its bias where the checkpoint has one."""
    bias = tensors.get(f"{name}.bias")
    return torch.nn.functional.linear(states, weight(tensors, name), None if bias is None else bias.to(torch.float64))


def embed(tensors: Tensors, input_ids: Tensor, name: str = "model.embed_tokens") -> Tensor:
    """The rows (B, L, W) of the embedding table for token ids (B, L)."""
    return weight(tensors, name)[input_ids]


def rms_norm(states: Tensor, scale: Tensor, epsilon: float) -> Tensor:
    """Root mean square normalisation over the last axis (1910.07467), times ``scale``."""
    return scale * states / torch.sqrt(states.square().mean(-1, keepdim=True) + epsilon)


def rope_frequencies(head_size: int, base: float, scaling: Optional[Config] = None) -> Tensor:
    """Radians per position of each of the D / 2 pairs (2104.09864), float64.

    Args:
        head_size: D.
        base: ``rope_theta``.
        scaling: None, or the ``rope_scaling`` of Llama 3.1: waves longer than the original context are
            slowed by ``factor``, waves that fit into it several times are kept, and those between are
            blended (``apply_scaling`` of the model card's code, meta-llama/llama-models).

    Raises:
        ValueError: another kind of scaling.
    """
    exponents = torch.arange(0, head_size, 2, dtype=torch.float64) / head_size
    frequencies = base**-exponents
    kind = None if scaling is None else scaling.get("rope_type", scaling.get("type", "default"))
    if scaling is None or kind == "default":
        return frequencies
    if kind != "llama3":
        raise ValueError(f"rope scaling {kind!r}: the reference knows only 'llama3'")
    low, high = scaling["low_freq_factor"], scaling["high_freq_factor"]
    turns = scaling["original_max_position_embeddings"] * frequencies / (2 * math.pi)
    kept = ((turns - low) / (high - low)).clamp(0, 1)
    return kept * frequencies + (1 - kept) * frequencies / scaling["factor"]


def rope_of(config: Config) -> Tensor:
    """The frequencies that a config asks for; ``rope_parameters`` is how transformers 5 writes it."""
    settings: Config = config.get("rope_parameters") or {}
    base: float = settings.get("rope_theta", config.get("rope_theta", 10000.0))
    return rope_frequencies(head_size(config), base, settings or config.get("rope_scaling"))


def head_size(config: Config) -> int:
    """D: ``head_dim``, or the width divided among the heads."""
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def rotate(states: Tensor, position_ids: Tensor, frequencies: Tensor) -> Tensor:
    """Turn each pair of ``states`` (B, H, L, D) by position (B, L) times frequency.

    Published checkpoints are in the split-half layout: number i is paired with number i + D / 2.
    """
    angles = position_ids[:, None, :, None].to(torch.float64) * frequencies
    first, second = states.chunk(2, dim=-1)
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)


def positions(attention_mask: Tensor) -> Tensor:
    """Position ids (B, L) that count only the tokens that the mask keeps, as ``generate`` does; 0 on padding."""
    return (attention_mask.long().cumsum(-1) - 1).clamp(min=0)


def visible(batch: int, length: int, attention_mask: Optional[Tensor] = None, window: Optional[int] = None) -> Tensor:
    """Which keys each query may see, as bool (B, 1, L, L): itself and what came before.

    Args:
        batch: B.
        length: L.
        attention_mask: (B, L), 0 where a key is padding.
        window: how many keys at most, the query's own included.
    """
    distance = torch.arange(length)[:, None] - torch.arange(length)[None, :]
    allowed = distance >= 0
    if window is not None:
        allowed = allowed & (distance < window)
    allowed = allowed[None, None].expand(batch, 1, length, length)
    return allowed if attention_mask is None else allowed & attention_mask.bool()[:, None, None, :]


def attention(queries: Tensor, keys: Tensor, values: Tensor, allowed: Tensor, scale: float) -> Tensor:
    """Scaled dot product attention (B, H, L, D); H query heads share fewer key-value heads (2305.13245).

    A query that may see nothing gives zero. Implementations differ there, and it is never read: such a
    query is padding, before the first token.
    """
    shared = queries.shape[1] // keys.shape[1]
    keys, values = keys.repeat_interleave(shared, dim=1), values.repeat_interleave(shared, dim=1)
    scores = (queries @ keys.transpose(-1, -2) * scale).masked_fill(~allowed, -math.inf)
    return torch.softmax(scores, dim=-1).nan_to_num(0.0) @ values


def self_attention(
    config: Config, tensors: Tensors, name: str, states: Tensor, position_ids: Tensor, allowed: Tensor
) -> Tensor:
    """The attention module ``name`` of a layer: states (B, L, W) -> (B, L, W)."""
    size = head_size(config)

    def heads(projection: str) -> Tensor:
        split = linear(states, tensors, f"{name}.{projection}").unflatten(-1, (-1, size))
        return split.transpose(1, 2)

    frequencies = rope_of(config)
    queries = rotate(heads("q_proj"), position_ids, frequencies)
    keys = rotate(heads("k_proj"), position_ids, frequencies)
    mixed = attention(queries, keys, heads("v_proj"), allowed, size**-0.5)
    return linear(mixed.transpose(1, 2).flatten(2), tensors, f"{name}.o_proj")


def decoder(
    config: Config,
    tensors: Tensors,
    states: Tensor,
    feed_forward: Callable[[str, Tensor], Tensor],
    *,
    attention_mask: Optional[Tensor] = None,
    position_ids: Optional[Tensor] = None,
    norm: Norm = rms_norm,
) -> Tensor:
    """Pre-norm layers and the last norm, as Llama, Gemma and Mixtral have them.

    Args:
        config: the checkpoint's.
        tensors: the checkpoint's, with keys under ``model.``.
        states: the embedded tokens (B, L, W), float64.
        feed_forward: called with a layer's name and its normed states.
        attention_mask: (B, L), 0 on padding, left or right; everything is kept where not given.
        position_ids: (B, L); 0, 1, 2, … where not given, padding or not.
        norm: the normalisation.

    Returns:
        The last normed states (B, L, W). Those on padding mean nothing.
    """
    batch, length = states.shape[:2]
    if position_ids is None:
        position_ids = torch.arange(length).expand(batch, length)
    # "Sliding window" in Mixtral's config is null; a number is the window.
    allowed = visible(batch, length, attention_mask, config.get("sliding_window"))
    epsilon = config["rms_norm_eps"]
    for layer in range(config["num_hidden_layers"]):
        name = f"model.layers.{layer}"
        normed = norm(states, weight(tensors, f"{name}.input_layernorm"), epsilon)
        states = states + self_attention(config, tensors, f"{name}.self_attn", normed, position_ids, allowed)
        normed = norm(states, weight(tensors, f"{name}.post_attention_layernorm"), epsilon)
        states = states + feed_forward(name, normed)
    return norm(states, weight(tensors, "model.norm"), epsilon)


def head(tensors: Tensors, states: Tensor) -> Tensor:
    """Logits (B, L, vocabulary): the head where the checkpoint has one, or the embedding, to which it is tied."""
    name = "lm_head" if "lm_head.weight" in tensors else "model.embed_tokens"
    return linear(states, tensors, name)


def start(tensors: Tensors, input_ids: Optional[Tensor], inputs_embeds: Optional[Tensor]) -> Tensor:
    """The states (B, L, W) that a decoder starts from: embedded tokens, or the embeddings given.

    Raises:
        ValueError: not exactly one of the two.
    """
    if (input_ids is None) == (inputs_embeds is None):
        raise ValueError("give either input_ids or inputs_embeds")
    if inputs_embeds is not None:
        return inputs_embeds.to(torch.float64)
    assert input_ids is not None
    return embed(tensors, input_ids)
