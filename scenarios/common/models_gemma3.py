"""Gemma 3 checkpoints: the published layouts of google/gemma-3-1b-it and google/gemma-3-4b-it, scaled down.

The configs say what those of March 2025 said, and leave out what they left out (the text part of the
multimodal one states neither rope bases nor the local-global pattern). Only the sizes are small, the
sliding window too: a prompt of a dozen tokens is longer than it.
"""

import math
from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

import torch

from scenarios.common.checkpoint import Checkpoint, seeded, seeded_offsets, write_checkpoint

Shapes = Iterator[Tuple[str, Tuple[int, ...]]]

#: Spread of a matrix's outputs, given unit inputs; 1 for all others. The image features come out as
#: large as the scaled text embeddings that they stand among.
_GAINS = {"embed_tokens.weight": 0.3, "position_embedding.weight": 0.5, "mm_input_projection_weight": 2.0}
_BIAS_SPREAD = 0.2

_GENERATION = {
    "bos_token_id": 2,
    "cache_implementation": "hybrid",
    "do_sample": True,
    "eos_token_id": [1, 106],
    "pad_token_id": 0,
    "top_k": 64,
    "top_p": 0.95,
    "transformers_version": "4.50.0.dev0",
}


def gemma3_text(directory: Path, *, dtype: str = "bfloat16", **write: Any) -> Checkpoint:
    """Gemma 3 text only, as google/gemma-3-1b-it: the head is the embedding, and not in the file.

    Seven layers, of which the sixth attends globally. The head width is not width / heads, and the query
    scale is that of width / heads, as in the 27B, so that confusing the two shows.

    Args:
        directory: where to write.
        dtype: of the stored tensors and ``torch_dtype``: ``float32``, ``float16`` or ``bfloat16``.
        write: options of :func:`scenarios.common.checkpoint.write_checkpoint`.
    """
    config = {
        "architectures": ["Gemma3ForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "attn_logit_softcapping": None,
        "bos_token_id": 2,
        "cache_implementation": "hybrid",
        "eos_token_id": [1, 106],
        "final_logit_softcapping": None,
        "head_dim": 16,
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": 48,
        "initializer_range": 0.02,
        "intermediate_size": 112,
        "max_position_embeddings": 512,
        "model_type": "gemma3_text",
        "num_attention_heads": 4,
        "num_hidden_layers": 7,
        "num_key_value_heads": 1,
        "pad_token_id": 0,
        "query_pre_attn_scalar": 12,
        "rms_norm_eps": 1e-06,
        "rope_local_base_freq": 10000,
        "rope_scaling": None,
        "rope_theta": 1000000,
        "sliding_window": 6,
        "sliding_window_pattern": 6,
        "torch_dtype": dtype,
        "transformers_version": "4.50.0.dev0",
        "use_cache": True,
        "vocab_size": 128,
    }
    write.setdefault("generation_config", _GENERATION)
    return write_checkpoint(directory, config, _tensors(_text_shapes(config, ""), dtype), **write)


def gemma3_multimodal(directory: Path, *, dtype: str = "bfloat16", **write: Any) -> Checkpoint:
    """Gemma 3 with its SigLIP tower, as google/gemma-3-4b-it: 16 patches an image, pooled to 4 tokens.

    Args: as of :func:`gemma3_text`.
    """
    text = {
        "head_dim": 16,
        "hidden_size": 48,
        "intermediate_size": 112,
        "model_type": "gemma3_text",
        "num_attention_heads": 4,
        "num_hidden_layers": 7,
        "num_key_value_heads": 2,
        "query_pre_attn_scalar": 12,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 6,
        "vocab_size": 136,
    }
    vision = {
        "hidden_size": 32,
        "image_size": 56,
        "intermediate_size": 72,
        "model_type": "siglip_vision_model",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "patch_size": 14,
        "vision_use_head": False,
    }
    config = {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "boi_token_index": 126,
        "eoi_token_index": 127,
        "eos_token_id": [1, 106],
        "image_token_index": 128,
        "initializer_range": 0.02,
        "mm_tokens_per_image": 4,
        "model_type": "gemma3",
        "text_config": text,
        "torch_dtype": dtype,
        "transformers_version": "4.50.0.dev0",
        "vision_config": vision,
    }
    write.setdefault("generation_config", _GENERATION)
    return write_checkpoint(directory, config, _tensors(_multimodal_shapes(text, vision), dtype), **write)


def _text_shapes(config: Dict[str, Any], prefix: str) -> Shapes:
    width, inner, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    yield f"{prefix}model.embed_tokens.weight", (config["vocab_size"], width)
    for number in range(config["num_hidden_layers"]):
        layer = f"{prefix}model.layers.{number}"
        yield f"{layer}.input_layernorm.weight", (width,)
        yield f"{layer}.mlp.down_proj.weight", (width, inner)
        yield f"{layer}.mlp.gate_proj.weight", (inner, width)
        yield f"{layer}.mlp.up_proj.weight", (inner, width)
        yield f"{layer}.post_attention_layernorm.weight", (width,)
        yield f"{layer}.post_feedforward_layernorm.weight", (width,)
        yield f"{layer}.pre_feedforward_layernorm.weight", (width,)
        yield f"{layer}.self_attn.k_norm.weight", (head,)
        yield f"{layer}.self_attn.k_proj.weight", (keys, width)
        yield f"{layer}.self_attn.o_proj.weight", (width, queries)
        yield f"{layer}.self_attn.q_norm.weight", (head,)
        yield f"{layer}.self_attn.q_proj.weight", (queries, width)
        yield f"{layer}.self_attn.v_proj.weight", (keys, width)
    yield f"{prefix}model.norm.weight", (width,)


def _multimodal_shapes(text: Dict[str, Any], vision: Dict[str, Any]) -> Shapes:
    yield from _text_shapes(text, "language_model.")
    yield "multi_modal_projector.mm_input_projection_weight", (vision["hidden_size"], text["hidden_size"])
    yield "multi_modal_projector.mm_soft_emb_norm.weight", (vision["hidden_size"],)
    yield from _vision_shapes(vision, "vision_tower.vision_model")


def _vision_shapes(config: Dict[str, Any], prefix: str) -> Shapes:
    width, inner, patch = config["hidden_size"], config["intermediate_size"], config["patch_size"]
    patches = (config["image_size"] // patch) ** 2
    yield f"{prefix}.embeddings.patch_embedding.bias", (width,)
    yield f"{prefix}.embeddings.patch_embedding.weight", (width, 3, patch, patch)
    yield f"{prefix}.embeddings.position_embedding.weight", (patches, width)
    for number in range(config["num_hidden_layers"]):
        layer = f"{prefix}.encoder.layers.{number}"
        for norm in ("layer_norm1", "layer_norm2"):
            yield from _with_bias(f"{layer}.{norm}", (width,))
        yield from _with_bias(f"{layer}.mlp.fc1", (inner, width))
        yield from _with_bias(f"{layer}.mlp.fc2", (width, inner))
        for projection in ("k_proj", "out_proj", "q_proj", "v_proj"):
            yield from _with_bias(f"{layer}.self_attn.{projection}", (width, width))
    yield from _with_bias(f"{prefix}.post_layernorm", (width,))


def _with_bias(name: str, shape: Tuple[int, ...]) -> Shapes:
    yield f"{name}.bias", shape[:1]
    yield f"{name}.weight", shape


def _tensors(shapes: Shapes, dtype: str) -> Dict[str, torch.Tensor]:
    tensors = {}
    for name, shape in shapes:
        if name.endswith(".bias"):
            values = _BIAS_SPREAD * seeded(name, shape)
        elif len(shape) == 1:
            # A Gemma norm multiplies by 1 + weight, a LayerNorm of the vision tower by weight.
            values = (1.0 if "vision_model" in name else 0.0) + seeded_offsets(name, shape)
        else:
            values = _spread(name, shape) * seeded(name, shape)
        tensors[name] = values.to(getattr(torch, dtype))
    return tensors


def _spread(name: str, shape: Tuple[int, ...]) -> float:
    gain = next((gain for suffix, gain in _GAINS.items() if name.endswith(suffix)), 1.0)
    if name.endswith(("embed_tokens.weight", "position_embedding.weight")):
        return gain
    # The projector's matrix is stored (in, out), every other one (out, in...).
    inputs = shape[0] if name.endswith("mm_input_projection_weight") else math.prod(shape[1:])
    return gain / math.sqrt(inputs)
