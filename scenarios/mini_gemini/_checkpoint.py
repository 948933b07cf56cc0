"""MiniGemini's checkpoints: a language model, the projector and mining modules, two tower directories."""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Tuple

import torch
from safetensors.torch import save_file
from torch import Tensor

from scenarios.common import models
from scenarios.common.checkpoint import Checkpoint, seeded, seeded_offsets, write_checkpoint
from scenarios.common.models_weights import decoder_weights, experts, feed_forward
from scenarios.common.references.mini_gemini import IMAGE_TOKEN, Towers
from scenarios.mini_gemini._vision import MINING_FILE

CLIP_CONFIG: Dict[str, int] = {
    "hidden_size": 32,
    "image_size": 24,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "patch_size": 8,
}
CONVNEXT_CONFIG: Dict[str, Any] = {"depths": [1, 2], "image_size": 48, "widths": [8, 16]}
#: Nine low-resolution patches; each covers 4 x 4 pixels of the high-resolution map.
PATCHES = (CLIP_CONFIG["image_size"] // CLIP_CONFIG["patch_size"]) ** 2

#: Layers of a deep checkpoint: as many as the real ones have (Yi 34B, 2403.04652; Mixtral 8x7B, 2401.04088).
DEEP = {"34b": 60, "8x7b": 32}

Shapes = Iterator[Tuple[str, Tuple[int, ...]]]


def _yi(directory: Path) -> Checkpoint:
    """Yi 34B: Llama with grouped heads, and positions of a longer context."""
    made = models.llama(directory, grouped=True)
    return replace(made, config={**made.config, "rope_theta": 5000000.0})


def _mixtral(directory: Path) -> Checkpoint:
    """Mixtral with a third layer: of two, none can be left on disk while the other is kept."""
    made = models.mixtral(directory)
    config = {**made.config, "num_hidden_layers": 3}
    return Checkpoint(made.path, config, decoder_weights(config, experts))


#: Size -> (model type of the package, the class that its config names, the language model's checkpoint).
SIZES: Dict[str, Tuple[str, str, Callable[[Path], Checkpoint]]] = {
    "2b": ("mini_gemini_gemma", "MiniGeminiGemmaForCausalLM", models.gemma),
    "7b": ("mini_gemini", "MiniGeminiLlamaForCausalLM", lambda path: models.llama(path, grouped=False)),
    "13b": ("mini_gemini", "MiniGeminiLlamaForCausalLM", lambda path: models.oneke(path, dtype="float32", shards=1)),
    "34b": ("mini_gemini", "MiniGeminiLlamaForCausalLM", _yi),
    "8x7b": ("mini_gemini_mixtral", "MiniGeminiMixtralForCausalLM", _mixtral),
}


@dataclass(frozen=True)
class MiniGemini:
    """A checkpoint of the package.

    Attributes:
        checkpoint: the language model's file, with projector and mining modules.
        whole: the same, and the towers' tensors under the names that they get in the loaded model.
        towers: what the tower directories hold.
    """

    checkpoint: Checkpoint
    whole: Checkpoint
    towers: Towers

    @property
    def language(self) -> Dict[str, Tensor]:
        """What ``from_pretrained`` has a place for: the language model and the projector."""
        return {name: one for name, one in self.checkpoint.tensors.items() if ".vlm_uni_" not in name}


def _deep(base: Checkpoint, layers: int) -> Checkpoint:
    """The same language model with more layers: one is then as small a part of a card as in the real one.

    Few positions: some versions keep tables of their cosines in every layer, and beside real layers they are small.
    """
    config = {**base.config, "num_hidden_layers": layers, "max_position_embeddings": 32}
    block = experts if base.config["model_type"] == "mixtral" else feed_forward
    return replace(base, config=config, tensors=decoder_weights(config, block))


def write(directory: Path, size: str, *, own_file: bool = False, deep: bool = False, **changes: Any) -> MiniGemini:
    """Write a checkpoint of one of ``SIZES`` and its towers into a directory.

    Args:
        directory: where to.
        size: one of ``SIZES``.
        own_file: whether the mining modules are in a file of their own; published checkpoints have them
            among the language model's, which has no place for them when it is loaded.
        deep: as many layers as in :data:`DEEP`, in place of three.
        changes: to the config.
    """
    model_type, architecture, language = SIZES[size]
    base = language(directory / "language")
    if deep:
        base = _deep(base, DEEP[size])
    clip = _tower(directory / "clip", CLIP_CONFIG, _clip_shapes())
    convnext = _tower(directory / "convnext", CONVNEXT_CONFIG, _convnext_shapes())
    low, high = CLIP_CONFIG["hidden_size"], sum(CONVNEXT_CONFIG["widths"])
    config = {
        **base.config,
        "architectures": [architecture],
        "mm_hidden_size": low,
        "mm_hidden_size_aux": high,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        "mm_vision_tower": str(directory / "clip"),
        "mm_vision_tower_aux": str(directory / "convnext"),
        "model_type": model_type,
        **changes,
    }
    own = _weights(_own_shapes(low, high, base.config["hidden_size"]))
    mining = {name: own.pop(name) for name in list(own) if ".vlm_uni_" in name and own_file}
    checkpoint = write_checkpoint(
        directory / "model",
        config,
        {**base.tensors, **own},
        generation_config=json.loads((base.path / "generation_config.json").read_text(encoding="utf-8")),
    )
    if own_file:
        save_file(mining, str(checkpoint.path / MINING_FILE))
    checkpoint = replace(checkpoint, tensors={**checkpoint.tensors, **mining})
    placed = {
        **{_inside("vision_tower", name, "vision_model."): one for name, one in clip.items()},
        **{_inside("vision_tower_aux", name, "visual.trunk."): one for name, one in convnext.items()},
    }
    whole = replace(checkpoint, tensors={**checkpoint.tensors, **placed})
    return MiniGemini(checkpoint, whole, Towers(CLIP_CONFIG, clip, convnext))


def _inside(tower: str, name: str, prefix: str) -> str:
    return f"model.{tower}.vision_tower.{name[len(prefix) :]}"


def pictures(batch: int) -> Tuple[Tensor, Tensor]:
    """Pixels at low and at high resolution, (batch, 3, size, size) each."""
    low = seeded("images", (batch, 3, CLIP_CONFIG["image_size"], CLIP_CONFIG["image_size"]))
    high = seeded("images_aux", (batch, 3, CONVNEXT_CONFIG["image_size"], CONVNEXT_CONFIG["image_size"]))
    return low, high


def prompts(vocabulary: int) -> Tuple[Tensor, Tensor]:
    """Two prompts with a picture each, (2, length), padded on the right, and their mask."""
    first = [1, 17, 40, IMAGE_TOKEN, 23, 5, 90, 61]
    second = [1, IMAGE_TOKEN, 77, 33, 8]
    ids = torch.tensor([first, second + [0] * (len(first) - len(second))])
    assert int(ids.max()) < vocabulary
    mask = torch.tensor([[1] * len(first), [1] * len(second) + [0] * (len(first) - len(second))])
    return ids, mask


def _tower(directory: Path, config: Mapping[str, Any], shapes: Shapes) -> Dict[str, Tensor]:
    return write_checkpoint(directory, config, _weights(shapes)).tensors


def _weights(shapes: Shapes) -> Dict[str, Tensor]:
    """Norm weights and layer scales well away from 1 and 0, everything else of about unit gain."""
    tensors = {}
    for name, shape in shapes:
        if len(shape) == 1:
            centre = 1.0 if name.endswith(".weight") or name.endswith(".gamma") else 0.0
            tensors[name] = centre + seeded_offsets(name, shape)
        else:
            tensors[name] = seeded(name, shape) / math.sqrt(math.prod(shape[1:]))
    return tensors


def _linear(name: str, out: int, width: int) -> Shapes:
    yield f"{name}.weight", (out, width)
    yield f"{name}.bias", (out,)


def _norm(name: str, width: int) -> Shapes:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def _own_shapes(low: int, high: int, hidden: int) -> Shapes:
    """The projector and the mining modules."""
    yield from _linear("model.mm_projector.0", hidden, low)
    yield from _linear("model.mm_projector.2", hidden, hidden)
    for role, width in (("query", low), ("aux", high), ("val", high)):
        yield from _norm(f"model.vlm_uni_{role}_projector.0", width)
        yield from _linear(f"model.vlm_uni_{role}_projector.1", low, width)


def _clip_shapes() -> Shapes:
    width, inner, patch = CLIP_CONFIG["hidden_size"], CLIP_CONFIG["intermediate_size"], CLIP_CONFIG["patch_size"]
    prefix = "vision_model"
    yield f"{prefix}.embeddings.class_embedding", (width,)
    yield f"{prefix}.embeddings.patch_embedding.weight", (width, 3, patch, patch)
    yield f"{prefix}.embeddings.position_embedding.weight", (PATCHES + 1, width)
    yield from _norm(f"{prefix}.pre_layrnorm", width)
    for number in range(CLIP_CONFIG["num_hidden_layers"]):
        layer = f"{prefix}.encoder.layers.{number}"
        for projection in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _linear(f"{layer}.self_attn.{projection}", width, width)
        yield from _norm(f"{layer}.layer_norm1", width)
        yield from _linear(f"{layer}.mlp.fc1", inner, width)
        yield from _linear(f"{layer}.mlp.fc2", width, inner)
        yield from _norm(f"{layer}.layer_norm2", width)
    yield from _norm(f"{prefix}.post_layernorm", width)


def _convnext_shapes() -> Shapes:
    widths, depths = CONVNEXT_CONFIG["widths"], CONVNEXT_CONFIG["depths"]
    yield "visual.trunk.stem.0.weight", (widths[0], 3, 4, 4)
    yield "visual.trunk.stem.0.bias", (widths[0],)
    yield from _norm("visual.trunk.stem.1", widths[0])
    for number, width in enumerate(widths):
        stage = f"visual.trunk.stages.{number}"
        if number:
            yield from _norm(f"{stage}.downsample.0", widths[number - 1])
            yield f"{stage}.downsample.1.weight", (width, widths[number - 1], 2, 2)
            yield f"{stage}.downsample.1.bias", (width,)
        for block in range(depths[number]):
            name = f"{stage}.blocks.{block}"
            yield f"{name}.gamma", (width,)
            yield f"{name}.conv_dw.weight", (width, 1, 7, 7)
            yield f"{name}.conv_dw.bias", (width,)
            yield from _norm(f"{name}.norm", width)
            yield from _linear(f"{name}.mlp.fc1", 4 * width, width)
            yield from _linear(f"{name}.mlp.fc2", width, 4 * width)
