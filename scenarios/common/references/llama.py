"""Llama in float64 (2302.13971, 2307.09288), Llama 3.1's rope scaling included."""

from typing import Optional

import torch
from torch import Tensor

from scenarios.common.references import layers
from scenarios.common.references.layers import Config, Tensors


def feed_forward(tensors: Tensors, name: str, states: Tensor) -> Tensor:
    """SwiGLU (2002.05202): ``down(silu(gate(x)) * up(x))``."""
    gate = torch.nn.functional.silu(layers.linear(states, tensors, f"{name}.gate_proj"))
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

    Args:
        config: the checkpoint's ``config.json``.
        tensors: the checkpoint's tensors, in the published key layout.
        input_ids: token ids (batch, length).
        attention_mask: (batch, length), 0 on padding, left or right. States on padding mean nothing.
        inputs_embeds: (batch, length, width), in place of ``input_ids``.
        position_ids: (batch, length); 0, 1, 2, … where not given, as in a plain ``forward``. ``generate``
            counts from the mask: :func:`scenarios.common.references.layers.positions`.

    Raises:
        ValueError: not exactly one of ``input_ids`` and ``inputs_embeds``.
    """
    return layers.decoder(
        config,
        tensors,
        layers.start(tensors, input_ids, inputs_embeds),
        lambda layer, states: feed_forward(tensors, f"{layer}.mlp", states),
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
