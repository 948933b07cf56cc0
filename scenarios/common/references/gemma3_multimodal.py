"""Gemma 3 with pictures in float64 (2503.19786; google-deepmind/gemma for what the report leaves open).

A picture goes through SigLIP, is pooled to a few tokens, normed and projected, and these stand where the
prompt has image tokens.

The report does not say how those tokens see each other. Two readings are in use, and both are here:

- ``bidirectional``: tokens of one picture see each other whichever comes first, all else is causal. It is
  what Google's own code does, and what the release notes picture (huggingface.co/blog/gemma3). Tokens of an
  earlier picture do not see a later one (transformers#38053).
- ``causal``: image tokens are like any other. It is what a caller gets who does not say which tokens are
  images (``token_type_ids``).
"""

from typing import Dict, Optional

import torch
from torch import Tensor

from scenarios.common.references import gemma, gemma3_text, layers, siglip
from scenarios.common.references.layers import Config, Tensors

READINGS = ("bidirectional", "causal")
_PREFIX = "language_model."


def text_tensors(tensors: Tensors) -> Dict[str, Tensor]:
    """The language model's tensors, with the keys of a text-only checkpoint."""
    return {name[len(_PREFIX) :]: tensor for name, tensor in tensors.items() if name.startswith(_PREFIX)}


def pool(states: Tensor, tokens: int) -> Tensor:
    """Averages of square groups of patches: (B, patches, width) -> (B, tokens, width), row by row.

    Raises:
        ValueError: the patches, or the tokens, do not make a square, or the one cannot be cut into the other.
    """
    side, target = round(states.shape[1] ** 0.5), round(tokens**0.5)
    if side**2 != states.shape[1] or target**2 != tokens or side % target:
        raise ValueError(f"{states.shape[1]} patches cannot be pooled to {tokens} tokens")
    grid = states.reshape(len(states), target, side // target, target, side // target, -1)
    return grid.mean(dim=(2, 4)).reshape(len(states), tokens, -1)


def image_features(config: Config, tensors: Tensors, pixel_values: Tensor) -> Tensor:
    """What stands in for the image tokens: (pictures, tokens of each, text width)."""
    seen = siglip.features(config["vision_config"], tensors, pixel_values)
    scale = layers.weight(tensors, "multi_modal_projector.mm_soft_emb_norm")
    normed = gemma.norm(pool(seen, config["mm_tokens_per_image"]), scale, siglip.EPSILON)
    return normed @ tensors["multi_modal_projector.mm_input_projection_weight"].to(torch.float64)


def image_blocks(config: Config, input_ids: Tensor) -> Tensor:
    """1, 2, … on each row's runs of image tokens, 0 elsewhere (B, L)."""
    is_image = input_ids == config["image_token_index"]
    before = torch.nn.functional.pad(is_image, (1, 0))[:, :-1]
    return (is_image & ~before).cumsum(-1) * is_image


def hidden(
    config: Config,
    tensors: Tensors,
    input_ids: Tensor,
    pixel_values: Optional[Tensor] = None,
    attention_mask: Optional[Tensor] = None,
    position_ids: Optional[Tensor] = None,
    *,
    image_mask: str = "bidirectional",
    scale_dtype: Optional[torch.dtype] = None,
) -> Tensor:
    """The last normed hidden states (B, L, text width).

    Args:
        config: the checkpoint's, with ``text_config`` and ``vision_config``.
        tensors: the checkpoint's.
        input_ids: (B, L), with ``mm_tokens_per_image`` image tokens in a row for each picture.
        pixel_values: (pictures, 3, side, side), in the order in which their tokens stand.
        attention_mask: (B, L), 0 on padding.
        position_ids: (B, L); 0, 1, 2, … where not given.
        image_mask: which reading, see the module; it makes no difference without pictures.
        scale_dtype: see :func:`scenarios.common.references.gemma3_text.embed`.

    Raises:
        ValueError: an unknown reading, or not as many image tokens as the pictures give.
    """
    if image_mask not in READINGS:
        raise ValueError(f"image_mask {image_mask!r}: use one of {', '.join(READINGS)}")
    text, language = config["text_config"], text_tensors(tensors)
    is_image = input_ids == config["image_token_index"]
    states = gemma3_text.embed(text, language, input_ids, scale_dtype)
    if pixel_values is not None:
        found = image_features(config, tensors, pixel_values).flatten(0, 1)
        if len(found) != int(is_image.sum()):
            raise ValueError(f"{int(is_image.sum())} image tokens, but the pictures give {len(found)}")
        states[is_image] = found
    return gemma3_text.hidden(
        text,
        language,
        None,
        attention_mask,
        states,
        position_ids,
        blocks=image_blocks(config, input_ids) if image_mask == "bidirectional" else None,
    )


def logits(
    config: Config,
    tensors: Tensors,
    input_ids: Tensor,
    pixel_values: Optional[Tensor] = None,
    attention_mask: Optional[Tensor] = None,
    position_ids: Optional[Tensor] = None,
    *,
    image_mask: str = "bidirectional",
    scale_dtype: Optional[torch.dtype] = None,
) -> Tensor:
    """Logits (B, L, vocabulary), float64; the arguments of :func:`hidden`."""
    states = hidden(
        config,
        tensors,
        input_ids,
        pixel_values,
        attention_mask,
        position_ids,
        image_mask=image_mask,
        scale_dtype=scale_dtype,
    )
    return layers.head(text_tensors(tensors), states)
