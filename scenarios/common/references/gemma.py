"""Gemma in float64 (2403.08295; google/gemma_pytorch for what the report leaves open)."""

import math
from typing import Optional

import torch
from torch import Tensor

from scenarios.common.references import layers
from scenarios.common.references.layers import Config, Tensors


def norm(states: Tensor, scale: Tensor, epsilon: float) -> Tensor:
    """RMS norm times ``1 + scale``: Gemma stores the distance from 1."""
    return layers.rms_norm(states, 1 + scale, epsilon)


def feed_forward(tensors: Tensors, name: str, states: Tensor) -> Tensor:
    """GeGLU (2002.05202) with the tanh approximation of GELU.

    The configs first published say ``"hidden_act": "gelu"``; the model was trained with the
    approximation whatever they say (transformers#29402).
    """
    gate = torch.nn.functional.gelu(layers.linear(states, tensors, f"{name}.gate_proj"), approximate="tanh")
    return layers.linear(gate * layers.linear(states, tensors, f"{name}.up_proj"), tensors, f"{name}.down_proj")


def hidden(
    config: Config,
    tensors: Tensors,
    input_ids: Optional[Tensor] = None,
    attention_mask: Optional[Tensor] = None,
    inputs_embeds: Optional[Tensor] = None,
    position_ids: Optional[Tensor] = None,
) -> Tensor:
    """The last normed hidden states (batch, length, width), which ``AutoModel`` returns.

    Args: as of :func:`scenarios.common.references.llama.hidden`. ``inputs_embeds`` are rows of the
    embedding table, before the multiplication by the square root of the width.
    """
    return layers.decoder(
        config,
        tensors,
        layers.start(tensors, input_ids, inputs_embeds) * math.sqrt(config["hidden_size"]),
        lambda layer, states: feed_forward(tensors, f"{layer}.mlp", states),
        attention_mask=attention_mask,
        position_ids=position_ids,
        norm=norm,
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
