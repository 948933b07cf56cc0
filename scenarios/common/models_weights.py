"""The weights of small decoders, in the published key layout, from seeded numbers.

They are far from an untrained model's: attention scores spread by a few units, norm weights are 20 to
60 per cent away from 1, and a token's logits depend on what came before it as much as on itself, so
that one lost tensor, buffer, position or mask moves the logits, and the tokens that follow from them.
"""

import math
from typing import Any, Callable, Dict, Iterator, Mapping, Tuple

import torch

from scenarios.common.checkpoint import seeded, seeded_offsets

Shapes = Iterator[Tuple[str, Tuple[int, ...]]]

#: The spread of a projection's outputs for inputs of unit variance; 1 for all others.
_GAINS = {"q_proj": 1.5, "k_proj": 1.5, "lm_head": 2.0, "gate": 2.0}
#: Of the states that the layers start from: small beside what they add. The table is a tied model's head too,
#: and a large one would predict each token's own repetition, whatever the layers do.
_EMBEDDING_SPREAD = 0.25
#: Gemma multiplies its table's rows by the square root of the width: smaller rows, so that the states are not.
_GEMMA_EMBEDDING_SPREAD = 0.075


def feed_forward(config: Mapping[str, Any]) -> Shapes:
    """The names (less ``.weight``) and shapes of a gated feed-forward block in a layer."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    yield "mlp.gate_proj", (inner, width)
    yield "mlp.up_proj", (inner, width)
    yield "mlp.down_proj", (width, inner)


def experts(config: Mapping[str, Any]) -> Shapes:
    """The names (less ``.weight``) and shapes of a sparse mixture of experts in a layer."""
    width, inner = config["hidden_size"], config["intermediate_size"]
    yield "block_sparse_moe.gate", (config["num_local_experts"], width)
    for expert in range(config["num_local_experts"]):
        yield f"block_sparse_moe.experts.{expert}.w1", (inner, width)
        yield f"block_sparse_moe.experts.{expert}.w2", (width, inner)
        yield f"block_sparse_moe.experts.{expert}.w3", (inner, width)


def decoder_weights(config: Mapping[str, Any], block: Callable[[Mapping[str, Any]], Shapes]) -> Dict[str, torch.Tensor]:
    """Name -> weight of a whole decoder with its head, in ``config["torch_dtype"]``.

    Args:
        config: the contents of ``config.json``.
        block: :func:`feed_forward` or :func:`experts`.
    """
    dtype = getattr(torch, config["torch_dtype"])
    is_gemma = config["model_type"] == "gemma"
    spread = _GEMMA_EMBEDDING_SPREAD if is_gemma else _EMBEDDING_SPREAD
    tensors = {}
    for module, shape in _shapes(config, block):
        name = f"{module}.weight"
        if len(shape) == 1:
            # A Gemma norm multiplies by 1 + weight, the others by weight.
            values = seeded_offsets(name, shape) + (0.0 if is_gemma else 1.0)
        elif module == "model.embed_tokens":
            values = spread * seeded(name, shape)
        else:
            gain = _GAINS.get(module.rpartition(".")[2], 1.0)
            values = gain / math.sqrt(shape[1]) * seeded(name, shape)
        tensors[name] = values
    # Greedy decoding should not end early: a short row keeps the end token's logit near zero.
    tensors.get("lm_head.weight", tensors["model.embed_tokens.weight"])[config["eos_token_id"]] *= 0.1
    return {name: values.to(dtype) for name, values in tensors.items()}


def _shapes(config: Mapping[str, Any], block: Callable[[Mapping[str, Any]], Shapes]) -> Shapes:
    width, vocabulary = config["hidden_size"], config["vocab_size"]
    head = config.get("head_dim", width // config["num_attention_heads"])
    queries, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    yield "model.embed_tokens", (vocabulary, width)
    for layer in range(config["num_hidden_layers"]):
        prefix = f"model.layers.{layer}"
        yield f"{prefix}.input_layernorm", (width,)
        yield f"{prefix}.self_attn.q_proj", (queries, width)
        yield f"{prefix}.self_attn.k_proj", (keys, width)
        yield f"{prefix}.self_attn.v_proj", (keys, width)
        yield f"{prefix}.self_attn.o_proj", (width, queries)
        yield f"{prefix}.post_attention_layernorm", (width,)
        for name, shape in block(config):
            yield f"{prefix}.{name}", shape
    yield "model.norm", (width,)
    # Gemma's config says nothing of tying: it always is.
    if not config.get("tie_word_embeddings", config["model_type"] == "gemma"):
        yield "lm_head", (vocabulary, width)
