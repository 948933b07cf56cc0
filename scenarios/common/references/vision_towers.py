"""The two vision towers of MiniGemini in float64, without ``torch.nn``.

- ``clip``: the vision transformer of CLIP (2103.00020), in the key layout of openai/clip-vit-large-patch14.
- ``convnext``: ConvNeXt (2201.03545), in the key layout of OpenCLIP's ``visual.trunk.*``, with the maps of
  all its stages laid over one another, as MiniGemini (2403.18814) uses it.

Convolutions are sums over shifted copies of the picture, attention and interpolation are written out:
nothing here shares code with the modules that the scenarios load.
"""

import math
from typing import Any, Dict, List, Mapping

import torch

Tensors = Mapping[str, torch.Tensor]

_CLIP_EPS = 1e-5
_CONVNEXT_EPS = 1e-6


def _double(tensors: Tensors) -> Dict[str, torch.Tensor]:
    return {name: tensor.detach().to(torch.float64) for name, tensor in tensors.items()}


def layer_norm(values: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, eps: float) -> torch.Tensor:
    """Layer normalisation over the last axis (1607.06450)."""
    centred = values - values.mean(-1, keepdim=True)
    variance = (centred * centred).mean(-1, keepdim=True)
    return centred / torch.sqrt(variance + eps) * weight + bias


def gelu(values: torch.Tensor) -> torch.Tensor:
    """The exact GELU (1606.08415)."""
    return values * 0.5 * (1.0 + torch.erf(values / math.sqrt(2.0)))


def affine(values: torch.Tensor, tensors: Tensors, name: str) -> torch.Tensor:
    """A linear layer ``name`` with its bias over the last axis."""
    return values @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]


def convolution(picture: torch.Tensor, weight: torch.Tensor, *, stride: int = 1, padding: int = 0) -> torch.Tensor:
    """Cross-correlation of a (batch, channels, height, width) picture; weight (out, channels, k, k).

    Where the weight has one input channel and the picture more, each channel has its own kernel (depthwise).
    """
    kernel = weight.shape[-1]
    batch, channels, height, width = picture.shape
    padded = picture.new_zeros(batch, channels, height + 2 * padding, width + 2 * padding)
    padded[:, :, padding : padding + height, padding : padding + width] = picture
    rows = (padded.shape[2] - kernel) // stride + 1
    columns = (padded.shape[3] - kernel) // stride + 1
    depthwise = weight.shape[1] == 1 and channels > 1
    total = picture.new_zeros(batch, weight.shape[0], rows, columns)
    for down in range(kernel):
        for right in range(kernel):
            seen = padded[:, :, down : down + rows * stride : stride, right : right + columns * stride : stride]
            if depthwise:
                total = total + seen * weight[:, 0, down, right].reshape(1, -1, 1, 1)
            else:
                total = total + torch.einsum("bchw,oc->bohw", seen, weight[:, :, down, right])
    return total


def enlarge(picture: torch.Tensor, size: int) -> torch.Tensor:
    """Bilinear interpolation of a square picture to ``size``; pixel centres at halves, edges repeated."""
    old = picture.shape[-1]
    weights = picture.new_zeros(size, old)
    for position in range(size):
        source = max((position + 0.5) * old / size - 0.5, 0.0)
        lower = min(int(source), old - 1)
        upper = min(lower + 1, old - 1)
        weights[position, lower] += 1.0 - (source - lower)
        weights[position, upper] += source - lower
    return torch.einsum("yh,xw,bchw->bcyx", weights, weights, picture)


def clip(config: Mapping[str, Any], tensors: Tensors, pixels: torch.Tensor, select_layer: int) -> torch.Tensor:
    """Patch features of one layer's output, without the class token.

    Args:
        config: of the tower's ``config.json``.
        tensors: of its file.
        pixels: (batch, 3, image_size, image_size).
        select_layer: index into the hidden states (0 is the embeddings); negative from the end.

    Returns:
        (batch, patches, hidden_size), float64.
    """
    tensors = _double(tensors)
    prefix = "vision_model.embeddings"
    patches = convolution(
        pixels.to(torch.float64), tensors[f"{prefix}.patch_embedding.weight"], stride=config["patch_size"]
    )
    patches = patches.flatten(2).transpose(1, 2)
    first = tensors[f"{prefix}.class_embedding"].expand(len(patches), 1, -1)
    hidden = torch.cat([first, patches], dim=1) + tensors[f"{prefix}.position_embedding.weight"]
    hidden = _norm(tensors, "vision_model.pre_layrnorm", hidden, _CLIP_EPS)
    states = [hidden]
    for layer in range(config["num_hidden_layers"]):
        name = f"vision_model.encoder.layers.{layer}"
        seen = _norm(tensors, f"{name}.layer_norm1", hidden, _CLIP_EPS)
        hidden = hidden + _attention(tensors, f"{name}.self_attn", seen, config["num_attention_heads"])
        inner = affine(_norm(tensors, f"{name}.layer_norm2", hidden, _CLIP_EPS), tensors, f"{name}.mlp.fc1")
        hidden = hidden + affine(inner / (1.0 + torch.exp(-1.702 * inner)), tensors, f"{name}.mlp.fc2")
        states.append(hidden)
    return states[select_layer][:, 1:]


def convnext(tensors: Tensors, pixels: torch.Tensor) -> torch.Tensor:
    """The maps of all stages at the size of the first, one after the other along the channels.

    Args:
        tensors: of the tower's file.
        pixels: (batch, 3, size, size).

    Returns:
        (batch, sum of the stages' channels, size / 4, size / 4), float64.
    """
    tensors = _double(tensors)
    trunk = "visual.trunk"
    picture = convolution(pixels.to(torch.float64), tensors[f"{trunk}.stem.0.weight"], stride=4)
    picture = _across(tensors, f"{trunk}.stem.1", picture + _channels(tensors[f"{trunk}.stem.0.bias"]))
    maps: List[torch.Tensor] = []
    while f"{trunk}.stages.{len(maps)}.blocks.0.gamma" in tensors:
        stage = f"{trunk}.stages.{len(maps)}"
        if maps:
            picture = _across(tensors, f"{stage}.downsample.0", picture)
            picture = convolution(picture, tensors[f"{stage}.downsample.1.weight"], stride=2)
            picture = picture + _channels(tensors[f"{stage}.downsample.1.bias"])
        block = 0
        while f"{stage}.blocks.{block}.gamma" in tensors:
            picture = picture + _block(tensors, f"{stage}.blocks.{block}", picture)
            block += 1
        maps.append(picture)
    return torch.cat([enlarge(one, maps[0].shape[-1]) for one in maps], dim=1)


def _norm(tensors: Tensors, name: str, values: torch.Tensor, eps: float) -> torch.Tensor:
    return layer_norm(values, tensors[f"{name}.weight"], tensors[f"{name}.bias"], eps)


def _channels(bias: torch.Tensor) -> torch.Tensor:
    return bias.reshape(1, -1, 1, 1)


def _across(tensors: Tensors, name: str, picture: torch.Tensor) -> torch.Tensor:
    """Layer norm over the channels of each pixel."""
    return _norm(tensors, name, picture.permute(0, 2, 3, 1), _CONVNEXT_EPS).permute(0, 3, 1, 2)


def _block(tensors: Tensors, name: str, picture: torch.Tensor) -> torch.Tensor:
    seen = convolution(picture, tensors[f"{name}.conv_dw.weight"], padding=3)
    seen = _across(tensors, f"{name}.norm", seen + _channels(tensors[f"{name}.conv_dw.bias"])).permute(0, 2, 3, 1)
    seen = affine(gelu(affine(seen, tensors, f"{name}.mlp.fc1")), tensors, f"{name}.mlp.fc2")
    return (tensors[f"{name}.gamma"] * seen).permute(0, 3, 1, 2)


def _attention(tensors: Tensors, name: str, hidden: torch.Tensor, heads: int) -> torch.Tensor:
    """Full self-attention: every token sees every other."""
    batch, length, width = hidden.shape
    query, key, value = (
        affine(hidden, tensors, f"{name}.{one}_proj").reshape(batch, length, heads, width // heads) for one in "qkv"
    )
    scores = torch.einsum("bqhd,bkhd->bhqk", query, key) / math.sqrt(width // heads)
    mixed = torch.einsum("bhqk,bkhd->bqhd", torch.softmax(scores, -1), value)
    return affine(mixed.reshape(batch, length, width), tensors, f"{name}.out_proj")
