"""Mixtral in float64 (2401.04088): Llama's layers with a sparse mixture of experts."""

import math
from typing import List, Optional

import torch
from torch import Tensor

from scenarios.common.references import layers
from scenarios.common.references.layers import Config, Tensors


def expert(tensors: Tensors, name: str, states: Tensor) -> Tensor:
    """SwiGLU (2002.05202): ``w2(silu(w1(x)) * w3(x))``."""
    gate = torch.nn.functional.silu(layers.linear(states, tensors, f"{name}.w1"))
    return layers.linear(gate * layers.linear(states, tensors, f"{name}.w3"), tensors, f"{name}.w2")


def mixture(config: Config, tensors: Tensors, name: str, states: Tensor) -> Tensor:
    """The softmax over the best few router scores weighs those experts' outputs; the others have no part."""
    scores = layers.linear(states, tensors, f"{name}.gate")
    best, chosen = scores.topk(config["num_experts_per_tok"], dim=-1)
    shares = torch.zeros_like(scores).scatter(-1, chosen, torch.softmax(best, dim=-1))
    outputs = [expert(tensors, f"{name}.experts.{n}", states) for n in range(config["num_local_experts"])]
    return (shares.unsqueeze(-1) * torch.stack(outputs, dim=-2)).sum(-2)


def hidden(
    config: Config,
    tensors: Tensors,
    input_ids: Optional[Tensor] = None,
    attention_mask: Optional[Tensor] = None,
    inputs_embeds: Optional[Tensor] = None,
    position_ids: Optional[Tensor] = None,
    routing_gaps: Optional[List[Tensor]] = None,
) -> Tensor:
    """The last normed hidden states (batch, length, width), which ``AutoModel`` returns.

    Args: as of :func:`scenarios.common.references.llama.hidden`, and ``routing_gaps``: a list that
    gets, for each layer, how far (batch, length) the last expert chosen is above the first one left out.
    """

    def feed_forward(layer: str, states: Tensor) -> Tensor:
        name = f"{layer}.block_sparse_moe"
        if routing_gaps is not None:
            routing_gaps.append(_gap(layers.linear(states, tensors, f"{name}.gate"), config["num_experts_per_tok"]))
        return mixture(config, tensors, name, states)

    return layers.decoder(
        config,
        tensors,
        layers.start(tensors, input_ids, inputs_embeds),
        feed_forward,
        attention_mask=attention_mask,
        position_ids=position_ids,
    )


def logits(
    config: Config,
    tensors: Tensors,
    input_ids: Optional[Tensor] = None,
    attention_mask: Optional[Tensor] = None,
    inputs_embeds: Optional[Tensor] = None,
    position_ids: Optional[Tensor] = None,
) -> Tensor:
    """Logits (batch, length, vocabulary), float64; the arguments of :func:`hidden`."""
    states = hidden(config, tensors, input_ids, attention_mask, inputs_embeds, position_ids)
    return layers.head(tensors, states)


def routing_gap(config: Config, tensors: Tensors, input_ids: Tensor, attention_mask: Optional[Tensor] = None) -> float:
    """The smallest distance of any token's router scores from another choice of experts.

    The output jumps where the choice changes: a comparison in low precision means something only where
    this gap is above the error of the router's scores. Padding is left out.
    """
    gaps: List[Tensor] = []
    hidden(config, tensors, input_ids, attention_mask, routing_gaps=gaps)
    kept = torch.ones_like(input_ids) if attention_mask is None else attention_mask
    return min((float(gap[kept.bool()].min()) for gap in gaps), default=math.inf)


def _gap(scores: Tensor, chosen: int) -> Tensor:
    if scores.shape[-1] == chosen:
        return torch.full(scores.shape[:-1], math.inf, dtype=scores.dtype)
    ranked = scores.sort(dim=-1, descending=True).values
    return ranked[..., chosen - 1] - ranked[..., chosen]
