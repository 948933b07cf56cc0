"""MiniGemini (2403.18814) in float64: two views of a picture, mined into one, spliced into the text.

A prompt is a list of token ids in which ``IMAGE_TOKEN`` stands for a picture. The low resolution view
gives one query for each patch; it looks, within its own patch only, at the candidates of the high
resolution map ("patch info mining"). A two-layer perceptron takes the sum into the language model's
embedding space, and the result takes the place of the image token.
"""

import math
from dataclasses import dataclass
from typing import Any, Callable, Mapping

import torch

from scenarios.common.references import gemma, llama, mixtral, vision_towers
from scenarios.common.references.vision_towers import affine, gelu, layer_norm

Tensors = Mapping[str, torch.Tensor]

#: Where a picture stands in the prompt; no row of the embedding.
IMAGE_TOKEN = -200

_FAMILIES = {"mini_gemini": llama, "mini_gemini_gemma": gemma, "mini_gemini_mixtral": mixtral}
_LAYER_NORM_EPS = 1e-5


@dataclass(frozen=True)
class Towers:
    """What the two tower directories hold; the configs and tensors of their files."""

    clip_config: Mapping[str, Any]
    clip: Tensors
    convnext: Tensors


def mine(tensors: Tensors, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Patch info mining: each low-resolution patch reads the high-resolution pixels that it covers.

    Args:
        tensors: the checkpoint, with ``model.vlm_uni_{query,aux,val}_projector``.
        low: (batch, side * side, width).
        high: (batch, channels, side * cells, side * cells).

    Returns:
        (batch, side * side, width): ``low`` and what was read, added.
    """
    side = math.isqrt(low.shape[1])
    cells = high.shape[-1] // side
    mined = torch.empty_like(low)
    for row in range(side):
        for column in range(side):
            covered = high[:, :, row * cells : (row + 1) * cells, column * cells : (column + 1) * cells]
            candidates = covered.flatten(2).transpose(1, 2)
            patch = row * side + column
            query = _mining(tensors, "query", low[:, patch])
            key, value = _mining(tensors, "aux", candidates), _mining(tensors, "val", candidates)
            weights = torch.softmax((key @ query[:, :, None])[:, :, 0] / math.sqrt(query.shape[-1]), -1)
            mined[:, patch] = (weights[:, :, None] * value).sum(1)
    return low + mined


def _mining(tensors: Tensors, role: str, values: torch.Tensor) -> torch.Tensor:
    name = f"model.vlm_uni_{role}_projector"
    normed = layer_norm(values, tensors[f"{name}.0.weight"], tensors[f"{name}.0.bias"], _LAYER_NORM_EPS)
    return affine(normed, tensors, f"{name}.1")


def project(tensors: Tensors, features: torch.Tensor) -> torch.Tensor:
    """The projector ``mlp2x_gelu``: linear, GELU, linear, from the vision width to the language model's."""
    return affine(gelu(affine(features, tensors, "model.mm_projector.0")), tensors, "model.mm_projector.2")


def image_features(
    config: Mapping[str, Any], tensors: Tensors, towers: Towers, images: torch.Tensor, images_aux: torch.Tensor
) -> torch.Tensor:
    """(batch, patches, hidden_size) of pictures seen at low and at high resolution, float64."""
    tensors = {
        name: tensor.to(torch.float64) for name, tensor in tensors.items() if ".vlm_uni_" in name or "mm_proj" in name
    }
    low = vision_towers.clip(towers.clip_config, towers.clip, images, config["mm_vision_select_layer"])
    high = vision_towers.convnext(towers.convnext, images_aux)
    return project(tensors, mine(tensors, low, high))


def splice(embedding: torch.Tensor, input_ids: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Rows of the embedding for the tokens, and a picture's features where its token stands.

    Args:
        embedding: (vocabulary, hidden_size).
        input_ids: (length,).
        features: (pictures, patches, hidden_size), used in their order.

    Returns:
        (length - pictures + pictures * patches, hidden_size).
    """
    pictures = iter(features)
    parts = [next(pictures) if token == IMAGE_TOKEN else embedding[token][None] for token in input_ids.tolist()]
    return torch.cat(parts)


def inputs_embeds(
    config: Mapping[str, Any],
    tensors: Tensors,
    towers: Towers,
    input_ids: torch.Tensor,
    images: torch.Tensor,
    images_aux: torch.Tensor,
) -> torch.Tensor:
    """What the language model reads for one prompt: (1, length, hidden_size), float64.

    Gemma's scaling by the square root of its width is not in it: it is the language model's, and applies
    to pictures as to text, as the published weights were trained.
    """
    features = image_features(config, tensors, towers, images, images_aux)
    return splice(tensors["model.embed_tokens.weight"].to(torch.float64), input_ids[0], features)[None]


def logits_function(
    config: Mapping[str, Any], tensors: Tensors, towers: Towers, images: torch.Tensor, images_aux: torch.Tensor
) -> Callable[[torch.Tensor], torch.Tensor]:
    """Token ids (1, length), image tokens among them -> logits (1, spliced length, vocabulary), float64."""
    features = image_features(config, tensors, towers, images, images_aux)
    embedding = tensors["model.embed_tokens.weight"].to(torch.float64)
    family = _FAMILIES[config["model_type"]]

    def logits(input_ids: torch.Tensor) -> torch.Tensor:
        spliced = splice(embedding, input_ids[0], features)[None]
        result: torch.Tensor = family.logits(config, tensors, None, inputs_embeds=spliced)
        return result

    return logits
