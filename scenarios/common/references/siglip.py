"""SigLIP's vision transformer in float64 (2303.15343; the ViT of 2010.11929 without a class token).

Keys as in the published multimodal checkpoints, under ``vision_tower.vision_model.``.
"""

import torch
from torch import Tensor

from scenarios.common.references import layers
from scenarios.common.references.layers import Config, Tensors
from scenarios.common.references.vision_towers import layer_norm

#: google-research/big_vision, where SigLIP comes from; the published configs leave it out.
EPSILON = 1e-6


def patches(pixels: Tensor, size: int) -> Tensor:
    """Pictures (B, 3, side, side) cut into squares: (B, squares, 3 * size * size), row by row."""
    batch, channels, height, width = pixels.shape
    cut = pixels.reshape(batch, channels, height // size, size, width // size, size)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * size * size)


def features(config: Config, tensors: Tensors, pixels: Tensor, prefix: str = "vision_tower.vision_model") -> Tensor:
    """The normed states of the last layer, one for each patch (B, patches, width).

    Args:
        config: ``vision_config``.
        tensors: the checkpoint's.
        pixels: (B, 3, image_size, image_size), as the image processor leaves them.
        prefix: where the tower's keys are.
    """
    size = config["patch_size"]
    kernel = layers.weight(tensors, f"{prefix}.embeddings.patch_embedding")
    bias = tensors[f"{prefix}.embeddings.patch_embedding.bias"].to(torch.float64)
    states = patches(pixels.to(torch.float64), size) @ kernel.flatten(1).T + bias
    states = states + layers.weight(tensors, f"{prefix}.embeddings.position_embedding")
    for number in range(config["num_hidden_layers"]):
        name = f"{prefix}.encoder.layers.{number}"
        seen = _norm(tensors, f"{name}.layer_norm1", states)
        states = states + _attention(tensors, f"{name}.self_attn", seen, config["num_attention_heads"])
        inner = layers.linear(_norm(tensors, f"{name}.layer_norm2", states), tensors, f"{name}.mlp.fc1")
        inner = torch.nn.functional.gelu(inner, approximate="tanh")
        states = states + layers.linear(inner, tensors, f"{name}.mlp.fc2")
    return _norm(tensors, f"{prefix}.post_layernorm", states)


def _norm(tensors: Tensors, name: str, states: Tensor) -> Tensor:
    return layer_norm(states, layers.weight(tensors, name), tensors[f"{name}.bias"].to(torch.float64), EPSILON)


def _attention(tensors: Tensors, name: str, states: Tensor, heads: int) -> Tensor:
    """Every patch sees every other."""
    queries, keys, values = (
        layers.linear(states, tensors, f"{name}.{one}_proj").unflatten(-1, (heads, -1)).transpose(1, 2) for one in "qkv"
    )
    everything = torch.ones(1, 1, states.shape[1], states.shape[1], dtype=torch.bool)
    mixed = layers.attention(queries, keys, values, everything, queries.shape[-1] ** -0.5)
    return layers.linear(mixed.transpose(1, 2).flatten(2), tensors, f"{name}.out_proj")
