"""Our own arithmetic: what the parts of a published model weigh, and whether they fit on given cards.

Nothing here knows transformers: the shapes are the papers' (Llama 2307.09288, Gemma 2403.08295, Gemma 3
2503.19786, Mixtral 2401.04088, SigLIP 2303.15343). A *block* is a part that must not be split: a decoder
layer, a layer of the vision tower, an embedding, a head.
"""

import re
from typing import Any, Dict, List, Mapping

GIB = 2**30
_BYTES = {"float16": 2, "bfloat16": 2, "float32": 4}

#: What the configs leave out and the papers say.
_GEMMA3_TEXT = {"head_dim": 256, "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 262208}
_TIED_BY_DEFAULT = ("gemma", "gemma3")

_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")


def itemsize(config: Mapping[str, Any]) -> int:
    """Bytes of one parameter in the dtype that the model is published in."""
    return _BYTES[config["torch_dtype"]]


def tied(config: Mapping[str, Any]) -> bool:
    """Whether the head is the embedding."""
    return bool(config.get("tie_word_embeddings", config["model_type"] in _TIED_BY_DEFAULT))


def blocks(config: Mapping[str, Any]) -> Dict[str, int]:
    """Block -> number of parameters, in the order in which a model's modules come.

    Names: ``embedding``, ``layers.<n>``, ``norm``, ``head`` (where it is not the embedding), and for a
    multimodal model first ``vision embedding``, ``vision layers.<n>``, ``vision norm`` and ``projector``.
    """
    if config["model_type"] != "gemma3":
        return _decoder(config, head=not tied(config))
    vision, text = config["vision_config"], {**_GEMMA3_TEXT, **config["text_config"]}
    counts = _vision(vision)
    # One matrix, and the norm of what the tower gives.
    counts["projector"] = vision["hidden_size"] * text["hidden_size"] + vision["hidden_size"]
    counts.update(_decoder(text, head=not tied(config)))
    return counts


def _decoder(config: Mapping[str, Any], *, head: bool) -> Dict[str, int]:
    width, embedding = config["hidden_size"], config["vocab_size"] * config["hidden_size"]
    counts = {"embedding": embedding}
    counts.update({f"layers.{number}": _layer(config) for number in range(config["num_hidden_layers"])})
    counts["norm"] = width
    if head:
        counts["head"] = embedding
    return counts


def _layer(config: Mapping[str, Any]) -> int:
    width, inner, heads = config["hidden_size"], config["intermediate_size"], config["num_attention_heads"]
    head = config.get("head_dim", width // heads)
    attention = 2 * width * head * (heads + config["num_key_value_heads"])
    experts = config.get("num_local_experts", 0)
    feed_forward = 3 * width * inner * max(experts, 1) + width * experts
    # Gemma 3 has norms on both sides of each part, and on queries and keys.
    norms = 4 * width + 2 * head if config["model_type"] == "gemma3_text" else 2 * width
    return int(attention + feed_forward + norms)


def _vision(config: Mapping[str, Any]) -> Dict[str, int]:
    width, inner, patch = config["hidden_size"], config["intermediate_size"], config["patch_size"]
    positions = (config["image_size"] // patch) ** 2
    counts = {"vision embedding": 3 * patch * patch * width + width + positions * width}
    layer = 4 * (width * width + width) + 2 * width * inner + inner + width + 4 * width
    counts.update({f"vision layers.{number}": layer for number in range(config["num_hidden_layers"])})
    counts["vision norm"] = 2 * width
    return counts


def block_of(name: str) -> str:
    """The block that a parameter belongs to, by its name in whatever class and version."""
    layer = _LAYER.search(name)
    if "vision_tower" in name:
        if layer:
            return f"vision layers.{layer.group(1)}"
        return "vision embedding" if ".embeddings." in name else "vision norm"
    if "multi_modal_projector" in name:
        return "projector"
    if layer:
        return f"layers.{layer.group(1)}"
    if "lm_head" in name:
        return "head"
    return "embedding" if "embed_tokens" in name else "norm"


def is_layer(block: str) -> bool:
    """Whether a block is a decoder's or a tower's layer."""
    return "layers." in block


def cards(named: str) -> List[int]:
    """The bytes of each card: ``2x24`` is two of 24 GiB."""
    count, size = named.split("x")
    return [int(size) * GIB] * int(count)


def fits(config: Mapping[str, Any], memory: List[int]) -> bool:
    """Whether all blocks go onto the cards, whole and in order, with room for the largest left on every card."""
    sizes = [count * itemsize(config) for count in blocks(config).values()]
    card, left = 0, memory[0] - max(sizes)
    for size in sizes:
        while size > left:
            card += 1
            if card == len(memory):
                return False
            left = memory[card] - max(sizes)
        left -= size
    return True


def summary(held: List[str]) -> str:
    """Blocks in a line, runs of layers joined: ``embedding, layers 0-17``."""
    parts: List[str] = []
    runs: Dict[str, List[int]] = {}
    for block in held:
        kind, _, number = block.partition(".")
        if not number:
            parts.append(block)
        elif kind in runs and int(number) == runs[kind][1] + 1:
            runs[kind][1] = int(number)
            parts[-1] = "{} {}-{}".format(kind, *runs[kind])
        else:
            runs[kind] = [int(number), int(number)]
            parts.append(f"{kind} {number}")
    return ", ".join(parts)
