"""The published configurations at their real sizes, as the ``config.json`` of each has them.

Only what shapes the model is kept, and what a version needs to read it. What a publisher leaves to the
architecture's defaults is left out here too; the arithmetic of :mod:`scenarios.placement._blocks` has those
numbers from the papers. MiniGemini (2403.18814) appears as the language models that it is built on: its towers
are loaded after them.
"""

from typing import Any, Dict, NamedTuple

Config = Dict[str, Any]


class Published(NamedTuple):
    """A published model.

    Attributes:
        config: its ``config.json``.
        billions: parameters, in billions, as the paper or model card counts them.
        source: where both are from.
    """

    config: Config
    billions: float
    source: str


def _llama(width: int, inner: int, layers: int, heads: int, keys: int, vocabulary: int, **more: Any) -> Config:
    config = {
        "architectures": ["LlamaForCausalLM"],
        "bos_token_id": 1,
        "eos_token_id": 2,
        "hidden_act": "silu",
        "hidden_size": width,
        "initializer_range": 0.02,
        "intermediate_size": inner,
        "max_position_embeddings": 4096,
        "model_type": "llama",
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "num_key_value_heads": keys,
        "pad_token_id": 0,
        "rms_norm_eps": 1e-05,
        "rope_scaling": None,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "use_cache": True,
        "vocab_size": vocabulary,
    }
    config.update(more)
    return config


def _llama31(width: int, inner: int, layers: int, heads: int) -> Config:
    scaling = {
        "factor": 8.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    }
    config = _llama(
        width,
        inner,
        layers,
        heads,
        8,
        128256,
        bos_token_id=128000,
        eos_token_id=128001,
        max_position_embeddings=131072,
        rope_scaling=scaling,
        rope_theta=500000.0,
        torch_dtype="bfloat16",
    )
    del config["pad_token_id"]
    return config


def _gemma3(width: int, inner: int, layers: int, **more: int) -> Config:
    text = {
        "hidden_size": width,
        "intermediate_size": inner,
        "model_type": "gemma3_text",
        "num_hidden_layers": layers,
        "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
        "sliding_window": 1024,
        **more,
    }
    vision = {
        "hidden_size": 1152,
        "image_size": 896,
        "intermediate_size": 4304,
        "model_type": "siglip_vision_model",
        "num_attention_heads": 16,
        "num_hidden_layers": 27,
        "patch_size": 14,
        "vision_use_head": False,
    }
    return {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "boi_token_index": 255999,
        "eoi_token_index": 256000,
        "eos_token_id": [1, 106],
        "image_token_index": 262144,
        "initializer_range": 0.02,
        "mm_tokens_per_image": 256,
        "model_type": "gemma3",
        "text_config": text,
        "torch_dtype": "bfloat16",
        "vision_config": vision,
    }


_GEMMA_2B = {
    "architectures": ["GemmaForCausalLM"],
    "bos_token_id": 2,
    "eos_token_id": 1,
    "head_dim": 256,
    "hidden_act": "gelu",
    "hidden_size": 2048,
    "initializer_range": 0.02,
    "intermediate_size": 16384,
    "max_position_embeddings": 8192,
    "model_type": "gemma",
    "num_attention_heads": 8,
    "num_hidden_layers": 18,
    "num_key_value_heads": 1,
    "pad_token_id": 0,
    "rms_norm_eps": 1e-06,
    "rope_theta": 10000.0,
    "torch_dtype": "bfloat16",
    "vocab_size": 256000,
}

_MIXTRAL = {
    **_llama(4096, 14336, 32, 32, 8, 32000, max_position_embeddings=32768, rope_theta=1e6, torch_dtype="bfloat16"),
    "architectures": ["MixtralForCausalLM"],
    "model_type": "mixtral",
    "num_experts_per_tok": 2,
    "num_local_experts": 8,
    "sliding_window": None,
}
for _name in ("pad_token_id", "rope_scaling"):
    del _MIXTRAL[_name]

#: OneKE is Llama 2 13B with the vocabulary of Chinese-Alpaca-2 (2304.08177), from which it was trained.
MODELS: Dict[str, Published] = {
    "gemma-2b": Published(_GEMMA_2B, 2.51, "2403.08295, table 2"),
    "gemma3-4b": Published(_gemma3(2560, 10240, 34), 4.3, "2503.19786, table 1"),
    "vicuna-7b": Published(_llama(4096, 11008, 32, 32, 32, 32000), 6.74, "2307.09288; lmsys/vicuna-7b-v1.5"),
    "llama3.1-8b": Published(_llama31(4096, 14336, 32, 32), 8.03, "2407.21783, table 3"),
    "gemma3-12b": Published(
        _gemma3(3840, 15360, 48, num_attention_heads=16, num_key_value_heads=8), 12.2, "2503.19786, table 1"
    ),
    "vicuna-13b": Published(_llama(5120, 13824, 40, 40, 40, 32000), 13.0, "2307.09288; lmsys/vicuna-13b-v1.5"),
    "oneke-13b": Published(_llama(5120, 13824, 40, 40, 40, 55296), 13.25, "zjunlp/OneKE; hfl/chinese-alpaca-2-13b"),
    "gemma3-27b": Published(
        _gemma3(
            5376, 21504, 62, head_dim=128, num_attention_heads=32, num_key_value_heads=16, query_pre_attn_scalar=168
        ),
        27.4,
        "2503.19786, table 1",
    ),
    "yi-34b": Published(
        _llama(7168, 20480, 60, 56, 8, 64000, rope_theta=5e6, torch_dtype="bfloat16"), 34.4, "2403.04652, table 1"
    ),
    "mixtral-8x7b": Published(_MIXTRAL, 46.7, "2401.04088"),
    "llama3.1-70b": Published(_llama31(8192, 28672, 80, 64), 70.6, "2407.21783, table 3"),
}
