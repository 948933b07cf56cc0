"""Checkpoints of the Llama family: the published layout and shape, scaled down."""

from pathlib import Path
from typing import Any, Dict, Mapping, Optional

from scenarios.common.checkpoint import Checkpoint, write_checkpoint
from scenarios.common.models_weights import decoder_weights, feed_forward


def llama(
    directory: Path,
    *,
    tied: bool = False,
    grouped: bool = True,
    dtype: str = "float32",
    rope_scaling: Optional[str] = None,
    sizes: Optional[Mapping[str, int]] = None,
    **write: Any,
) -> Checkpoint:
    """Llama as meta-llama published it: Llama 2, or with ``rope_scaling="llama3"`` Llama 3.1.

    Args:
        directory: where to write.
        tied: the head is the embedding, and not in the file (as in Llama 3.2 1B).
        grouped: two query heads share a key-value head (2305.13245); otherwise each has its own.
        dtype: of the stored tensors and ``torch_dtype``: ``float32``, ``float16`` or ``bfloat16``.
        rope_scaling: ``"llama3"`` for the frequency scaling of the Llama 3.1 model card. Its original
            context is scaled down too (64 tokens), so that it matters within a few tokens.
        sizes: other ones than the small ones of the config: ``{"hidden_size": 1024}``.
        write: options of :func:`scenarios.common.checkpoint.write_checkpoint`.
    """
    if rope_scaling not in (None, "llama3"):
        raise ValueError(f"rope_scaling {rope_scaling!r}: use None or 'llama3'")
    config: Dict[str, Any] = {
        "architectures": ["LlamaForCausalLM"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 64,
        "initializer_range": 0.02,
        "intermediate_size": 176,
        "max_position_embeddings": 512,
        "model_type": "llama",
        "num_attention_heads": 4,
        "num_hidden_layers": 3,
        "num_key_value_heads": 2 if grouped else 4,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "tie_word_embeddings": tied,
        "torch_dtype": dtype,
        "transformers_version": "4.31.0.dev0",
        "use_cache": True,
        "vocab_size": 112,
    }
    generation = {
        "bos_token_id": 1,
        "do_sample": True,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "temperature": 0.6,
        "max_length": 512,
        "top_p": 0.9,
        "transformers_version": "4.31.0.dev0",
    }
    if rope_scaling == "llama3":
        config.update(
            attention_bias=False,
            attention_dropout=0.0,
            mlp_bias=False,
            rope_scaling={
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
                "rope_type": "llama3",
            },
            rope_theta=500000.0,
            transformers_version="4.43.0.dev0",
        )
        generation = {
            "_from_model_config": True,
            "bos_token_id": 1,
            "do_sample": True,
            "eos_token_id": 2,
            "temperature": 0.6,
            "top_p": 0.9,
            "transformers_version": "4.43.0.dev0",
        }
    config.update(sizes or {})
    write.setdefault("generation_config", generation)
    return write_checkpoint(directory, config, decoder_weights(config, feed_forward), **write)


def oneke(directory: Path, *, tied: bool = False, dtype: str = "float16", shards: int = 3, **write: Any) -> Checkpoint:
    """OneKE (zjunlp/OneKE): Llama 2 13B, multi-head attention, float16, sharded, its own head.

    Args: as of :func:`llama`.
    """
    config = {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 80,
        "initializer_range": 0.02,
        "intermediate_size": 216,
        "max_position_embeddings": 512,
        "model_type": "llama",
        "num_attention_heads": 5,
        "num_hidden_layers": 4,
        "num_key_value_heads": 5,
        "pad_token_id": 0,
        "pretraining_tp": 1,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "rope_theta": 10000.0,
        "tie_word_embeddings": tied,
        "torch_dtype": dtype,
        "transformers_version": "4.36.2",
        "use_cache": True,
        "vocab_size": 128,
    }
    generation = {
        "_from_model_config": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "transformers_version": "4.36.2",
    }
    write.setdefault("generation_config", generation)
    return write_checkpoint(directory, config, decoder_weights(config, feed_forward), shards=shards, **write)
