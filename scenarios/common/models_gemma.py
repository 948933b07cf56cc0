"""Checkpoints of Gemma (the first generation): the published layout and shape, scaled down."""

from pathlib import Path
from typing import Any

from scenarios.common.checkpoint import Checkpoint, write_checkpoint
from scenarios.common.models_weights import decoder_weights, feed_forward


def gemma(directory: Path, *, dtype: str = "float32", hidden_act: str = "gelu", **write: Any) -> Checkpoint:
    """Gemma (google/gemma-2b): one key-value head, a head wider than width / heads, always tied.

    Args: as of :func:`scenarios.common.models.llama`, and ``hidden_act``. The files first published say
    ``gelu``, those of Gemma 1.1 ``gelu_pytorch_tanh``; the model was trained with the latter. Versions
    differ in whether they take the first at its word (transformers#29402).
    """
    config = {
        "architectures": ["GemmaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 2,
        "eos_token_id": 1,
        "head_dim": 24,
        "hidden_act": hidden_act,
        "hidden_size": 64,
        "initializer_range": 0.02,
        "intermediate_size": 192,
        "max_position_embeddings": 512,
        "model_type": "gemma",
        "num_attention_heads": 4,
        "num_hidden_layers": 3,
        "num_key_value_heads": 1,
        "pad_token_id": 0,
        "rms_norm_eps": 1e-06,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "torch_dtype": dtype,
        "transformers_version": "4.38.0.dev0",
        "use_cache": True,
        "vocab_size": 120,
    }
    generation = {
        "_from_model_config": True,
        "bos_token_id": 2,
        "eos_token_id": 1,
        "pad_token_id": 0,
        "transformers_version": "4.38.0.dev0",
    }
    write.setdefault("generation_config", generation)
    return write_checkpoint(directory, config, decoder_weights(config, feed_forward), **write)
