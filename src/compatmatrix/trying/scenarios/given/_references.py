"""Independent references, for the architectures that :mod:`scenarios.common.references` has."""

from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional

import torch

from scenarios.common import verify
from scenarios.common.references import gemma, gemma3_multimodal, gemma3_text, llama, mixtral

from . import _asked, _buffers

if TYPE_CHECKING:
    from ._files import Files

Reference = Callable[..., torch.Tensor]
#: Llama's arithmetic under another name: a window that is longer than the prompt, and biases, change nothing in it.
_LIKE_LLAMA = ("llama", "mistral", "qwen2")
_PLAIN_SCALINGS = ("default", "llama3")


def of(files: "Files", model: torch.nn.Module, dtype: torch.dtype) -> Optional[Reference]:
    """The logits (or last hidden states, where the class has no head) in float64; called with token ids.

    None where the architecture, the class, or something in the configuration is beyond the references, or there is no
    room: scores of classes or rewards are not logits of tokens.

    Args:
        dtype: what the model computes in: the weights are rounded to it first.
    """
    config = _buffers.old_style(_asked.CONFIG)
    module = _module(config)
    if module is None or not _asked.IN_FLOAT64 or not _is_covered(model):
        return None
    tensors: Mapping[str, torch.Tensor] = {name: files[name] for name in files.names}
    more: Dict[str, Any] = {}
    if module is gemma3_text:
        more = {"scale_dtype": dtype}
        if "text_config" in config:
            config, tensors = config["text_config"], gemma3_multimodal.text_tensors(tensors)
    function = getattr(module, "logits" if _has_head(model) else "hidden")
    weights = verify.cast(tensors, dtype)

    def run(input_ids: torch.Tensor, **given: Any) -> torch.Tensor:
        found: torch.Tensor = function(config, weights, input_ids, **given, **more)
        return found

    return run


def _is_covered(model: torch.nn.Module) -> bool:
    """Whether the class writes texts, or is a base model."""
    name = type(model).__name__
    base = getattr(model, getattr(model, "base_model_prefix", ""), model) is model
    return name.endswith(("ForCausalLM", "ForConditionalGeneration")) or (base and name.endswith("Model"))


def _has_head(model: torch.nn.Module) -> bool:
    return any(name.endswith("lm_head.weight") for name, _ in model.named_parameters(remove_duplicate=False))


def _module(config: Mapping[str, Any]) -> Any:
    kind = config.get("model_type")
    if config.get("quantization_config") or _asked.CODE:
        return None
    if kind in _LIKE_LLAMA and _like_llama(config):
        return llama
    if kind == "mixtral" and _like_llama(config):
        return mixtral
    if kind == "gemma" and config.get("hidden_activation") in (None, "gelu_pytorch_tanh") and _scaling(config) is None:
        return gemma
    text = config.get("text_config", config)
    if kind in ("gemma3", "gemma3_text") and text.get("sliding_window") and "layer_types" not in text:
        return gemma3_text if _scaling(text) in (None, "linear") else None
    return None


def _like_llama(config: Mapping[str, Any]) -> bool:
    window = config.get("sliding_window")
    return (
        config.get("hidden_act", "silu") == "silu"
        and config.get("pretraining_tp", 1) in (None, 1)
        and _scaling(config) in (None, *_PLAIN_SCALINGS)
        and (window is None or window > 64)
    )


def _scaling(config: Mapping[str, Any]) -> Optional[str]:
    scaling = config.get("rope_scaling")
    return str(scaling.get("rope_type", scaling.get("type"))) if scaling else None
