"""Inputs for whatever model it is: the same numbers in every version."""

from typing import Any, Dict, Iterator, List, Mapping, Optional

import torch

from scenarios.common.checkpoint import seeded

from . import _asked

LENGTH = 9
_ROWS = 2
#: Spread over a vocabulary of any size, never twice the same within a row.
_STEP, _START = 7919, 13


def of(model: torch.nn.Module) -> Optional[Dict[str, torch.Tensor]]:
    """Keyword arguments of ``forward``; None for a kind of model that nothing here has inputs for."""
    config: Any = model.config
    main = getattr(model, "main_input_name", "input_ids")
    if main == "input_ids":
        ids = token_ids(config)
        if ids is None:
            return None
        ids = ids if _pads() else ids[:1]  # classifiers refuse several rows where no token pads them
        given = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        if getattr(config, "is_encoder_decoder", False):
            given["decoder_input_ids"] = ids[:, : LENGTH // 2]
        pictures = pixels(config) if "pixel_values" in _joint(config) else None
        return given if pictures is None else {**given, "pixel_values": pictures}
    if main == "pixel_values":
        pictures = pixels(config)
        return None if pictures is None else {"pixel_values": pictures}
    if main == "input_values":
        return {"input_values": seeded("sound", (_ROWS, 16_000)) * 0.1}
    return None


def _pads() -> bool:
    """Whether the file's configuration has a token that fills rows up; what a version adds to it is not asked for."""
    told = [_asked.CONFIG, *(part for part in _asked.CONFIG.values() if isinstance(part, Mapping))]
    return any(part.get("pad_token_id") is not None for part in told)


def token_ids(config: Any) -> Optional[torch.Tensor]:
    """Token ids (2, 9), none of them special by the configuration; None where the vocabulary is not known."""
    size = next((part.vocab_size for part in parts(config) if isinstance(getattr(part, "vocab_size", None), int)), None)
    if not size:
        return None
    special = set(_special(config))
    some = ((_START + _STEP * number) % size for number in range(4 * LENGTH + len(special)))
    usual = [token for token in some if token not in special]
    rows = [usual[row * LENGTH : (row + 1) * LENGTH] for row in range(_ROWS)]
    return torch.tensor(rows) if len(rows[-1]) == LENGTH else None


def pixels(config: Any) -> Optional[torch.Tensor]:
    """Pictures (2, channels, side, side) between -1 and 1; None where the configuration has no size for them."""
    part = next((p for p in parts(config) if isinstance(getattr(p, "image_size", None), (int, list, tuple))), None)
    if part is None:
        return None
    size = part.image_size
    height, width = (size, size) if isinstance(size, int) else size
    channels = int(getattr(part, "num_channels", 3))
    return seeded("pixels", (_ROWS, channels, height, width)).clamp(-1, 1)


def parts(config: Any) -> List[Any]:
    """A configuration and those of its parts."""
    nested = (getattr(config, name, None) for name in ("text_config", "vision_config", "llm_config", "decoder"))
    return [config, *(part for part in nested if part is not None)]


def _joint(config: Any) -> List[str]:
    """What must be given together: CLIP and its like compare a text with a picture, and take neither alone."""
    return ["pixel_values"] if hasattr(config, "projection_dim") and hasattr(config, "vision_config") else []


def _special(config: Any) -> Iterator[int]:
    for part in parts(config):
        for name, value in vars(part).items():
            if name.endswith(("_token_id", "_token_index", "_token_ids")):
                yield from ([value] if isinstance(value, int) else value if isinstance(value, list) else [])
