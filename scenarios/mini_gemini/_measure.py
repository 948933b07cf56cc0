"""What MiniGemini's cells have in common: make the package and a checkpoint, then measure what was loaded."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from compatprobe import Cell
from scenarios.common import verify
from scenarios.common.references import mini_gemini
from scenarios.mini_gemini import _checkpoint, _package
from scenarios.mini_gemini._checkpoint import MiniGemini

NEW_TOKENS = 6
#: The towers' layers on the deepest path, mining and projector, in units of a decoder layer.
_VISION_LAYERS = _checkpoint.CLIP_CONFIG["num_hidden_layers"] + sum(_checkpoint.CONVNEXT_CONFIG["depths"]) + 2


def prepare(cell: Cell, size: str, variant: str, **changes: Any) -> MiniGemini:
    """Register the package's classes, and write a checkpoint of the size.

    Raises:
        Unsupported: this version lacks the family of the language model.
    """
    cell.step("package")
    _package.register(cell, _checkpoint.SIZES[size][0], variant)
    return _checkpoint.write(cell.directory, size, **changes)


def load(cell: Cell, made: MiniGemini, dtype: torch.dtype = torch.float32, **options: Any) -> Any:
    """Load as the package does: the language model, then the towers and the mining modules."""
    cell.step("load")
    return _package.load_pretrained(made.checkpoint.path, dtype=dtype, **options)


def verified(cell: Cell, model: Any, made: MiniGemini, dtype: torch.dtype = torch.float32) -> None:
    """Check every tensor, the towers' and the mining modules' too."""
    verify.loaded(cell, model, made.whole, dtype=dtype)


def forward(cell: Cell, model: Any, made: MiniGemini, dtype: torch.dtype = torch.float32, device: str = "cpu") -> None:
    """Check the logits of two prompts of different length, each with a picture, against the reference."""
    ids, mask = _checkpoint.prompts(made.checkpoint.config["vocab_size"])
    images, images_aux = _checkpoint.pictures(len(ids))
    rounded = rounded_to(made, dtype)
    cell.step("forward")
    with torch.no_grad():
        observed = verify.output(
            model(
                input_ids=ids.to(device),
                attention_mask=mask.to(device),
                images=images.to(device, dtype),
                images_aux=images_aux.to(device, dtype),
                return_dict=True,
            )
        )
    lengths = []
    for row in range(len(ids)):
        view = images[row : row + 1].to(dtype), images_aux[row : row + 1].to(dtype)
        expected = _reference(rounded, *view)(ids[row : row + 1][:, mask[row].bool()])
        lengths.append(expected.shape[1])
        seen = observed[row : row + 1, : lengths[-1]]
        verify.agree(cell, f"forward {row}", seen, expected, dtype, verify.layers_of(model) + _VISION_LAYERS)
    cell.equal("length", observed.shape[1], max(lengths))


def generate(cell: Cell, model: Any, made: MiniGemini, use_cache: bool) -> None:
    """Check what ``generate`` writes about a picture against the reference decoder: the tokens and their scores.

    Tokens alone would not do: a version may treat the picture wrongly and still write the same few words.
    """
    ids, mask = _checkpoint.prompts(made.checkpoint.config["vocab_size"])
    ids = ids[:1, mask[0].bool()]
    images, images_aux = _checkpoint.pictures(1)
    verify.generate(
        cell,
        model,
        ids,
        _reference(made, images, images_aux),
        use_cache,
        new_tokens=NEW_TOKENS,
        layers=verify.layers_of(model) + _VISION_LAYERS,
        name="generate",
        images=images,
        images_aux=images_aux,
    )


def rounded_to(made: MiniGemini, dtype: torch.dtype) -> MiniGemini:
    """The checkpoint with its tensors as a load in ``dtype`` rounds them."""
    towers = replace(
        made.towers, clip=verify.cast(made.towers.clip, dtype), convnext=verify.cast(made.towers.convnext, dtype)
    )
    checkpoint = replace(made.checkpoint, tensors=verify.cast(made.checkpoint.tensors, dtype))
    return replace(made, checkpoint=checkpoint, towers=towers)


def parameter_bytes(model: Any) -> int:
    """Bytes of all parameters; tied ones count once."""
    return sum(one.numel() * one.element_size() for one in model.parameters())


def _reference(made: MiniGemini, images: Tensor, images_aux: Tensor) -> Any:
    return mini_gemini.logits_function(made.checkpoint.config, made.checkpoint.tensors, made.towers, images, images_aux)
