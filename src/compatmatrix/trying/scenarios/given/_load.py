"""``from_pretrained`` of the checkpoint as people call it."""

from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

import torch

from compatprobe import Unsupported
from scenarios.llama._try import REFUSALS

from . import _asked

if TYPE_CHECKING:
    from compatprobe import Cell

#: Nothing is said of the dtype.
DEFAULT = "default"
#: How every version so far ends where a checkpoint brings code that it may not run.
_CODE = "trust_remote_code"


def load(cell: "Cell", api: str, dtype: str = DEFAULT, **arguments: Any) -> Any:
    """``api.from_pretrained``; ends as unsupported where the version has no such class, or may not run foreign code.

    Args:
        dtype: the name of a dtype, or :data:`DEFAULT`.
        arguments: further ones, such as ``device_map``.
    """
    known(cell)
    loader = cell.api(api)
    if dtype != DEFAULT:
        arguments["torch_dtype"] = getattr(torch, dtype)
    cell.step("from_pretrained")
    return trusting(loader.from_pretrained, api.startswith("Auto"), **arguments).eval()


def known(cell: "Cell") -> None:
    """Record whether the version's registry knows the model types."""
    for model_type in _asked.MODEL_TYPES:
        cell.architecture(model_type)


def trusting(function: Any, auto: bool = True, **arguments: Any) -> Any:
    """Call a ``from_pretrained`` with leave to run the checkpoint's own code, or without, as it was asked for.

    Raises:
        Unsupported: the version cannot load it without that code, or refuses its way of scaling positions.
    """
    if auto and _asked.CODE:
        # Said in so many words: where nothing is said, some versions ask at the terminal.
        arguments["trust_remote_code"] = _asked.TRUST
    try:
        return function(str(_asked.PATH), **arguments)
    except (ValueError, OSError, KeyError) as error:
        if _asked.CODE and not _asked.TRUST and _CODE in str(error):
            where = ", ".join(_asked.CODE)
            told = f"the checkpoint needs code of its own ({where}), which runs only with --trust-remote-code"
            raise Unsupported("the checkpoint's own code", told) from error
        if isinstance(error, ValueError) and any(words in str(error) for words in REFUSALS):
            raise Unsupported(f"the rope scaling {_scaling()!r}", str(error)) from error
        raise


def _scaling() -> str:
    text: Mapping[str, Any] = _asked.CONFIG.get("text_config") or _asked.CONFIG
    scaling = text.get("rope_scaling") or text.get("rope_parameters") or {}
    return str(scaling.get("rope_type", scaling.get("type")))


def as_dtype(dtype: str) -> Optional[torch.dtype]:
    """The dtype that was asked for; None where none was."""
    return None if dtype == DEFAULT else getattr(torch, dtype)


def dtype_of(model: torch.nn.Module) -> torch.dtype:
    """The floating dtype that most of a model's numbers have."""
    counts: Dict[torch.dtype, int] = {}
    for parameter in model.parameters():
        if parameter.is_floating_point():
            counts[parameter.dtype] = counts.get(parameter.dtype, 0) + parameter.numel()
    return max(counts, key=lambda dtype: counts[dtype]) if counts else torch.float32


def layers_of(model: torch.nn.Module) -> int:
    """How many layers a number passes through, by the configuration; for bounds of rounding only."""
    config: Any = model.config
    parts = [config, *(getattr(config, name, None) for name in ("text_config", "encoder", "decoder"))]
    found = [
        getattr(part, name)
        for part in parts
        for name in ("num_hidden_layers", "n_layer", "num_layers", "num_decoder_layers", "encoder_layers", "depth")
        if isinstance(getattr(part, name, None), int)
    ]
    return sum(found) or 24


def check_generation_config(cell: "Cell", model: Any) -> None:
    """Check that the end tokens are the file's: a wrong one ends texts early, or never."""
    generation = getattr(model, "generation_config", None)
    if generation is not None and "eos_token_id" in _asked.GENERATION:
        cell.equal("end tokens", _ids(generation.eos_token_id), _ids(_asked.GENERATION["eos_token_id"]))


def _ids(given: Any) -> Any:
    return sorted(given) if isinstance(given, (list, tuple)) else [] if given is None else [given]
