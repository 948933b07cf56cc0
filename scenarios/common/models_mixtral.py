"""Checkpoints of Mixtral: the published layout and shape, scaled down."""

from pathlib import Path
from typing import Any

from scenarios.common.checkpoint import Checkpoint, write_checkpoint
from scenarios.common.models_weights import decoder_weights, experts


def mixtral(directory: Path, *, dtype: str = "float32", **write: Any) -> Checkpoint:
    """Mixtral (mistralai/Mixtral-8x7B-v0.1): four experts here, two of them for each token.

    Args: as of :func:`scenarios.common.models.llama`.
    """
    config = {
        "architectures": ["MixtralForCausalLM"],
        "attention_dropout": 0.0,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": 64,
        "initializer_range": 0.02,
        "intermediate_size": 112,
        "max_position_embeddings": 512,
        "model_type": "mixtral",
        "num_attention_heads": 4,
        "num_experts_per_tok": 2,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "num_local_experts": 4,
        "output_router_logits": False,
        "rms_norm_eps": 1e-05,
        "rope_theta": 1000000.0,
        "router_aux_loss_coef": 0.02,
        "sliding_window": None,
        "tie_word_embeddings": False,
        "torch_dtype": dtype,
        "transformers_version": "4.36.0.dev0",
        "use_cache": True,
        "vocab_size": 104,
    }
    generation = {
        "_from_model_config": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "transformers_version": "4.36.0.dev0",
    }
    write.setdefault("generation_config", generation)
    return write_checkpoint(directory, config, decoder_weights(config, experts), **write)
