"""Whether a model's buffers hold what its configuration asks for.

Buffers that are not in the file (rotary frequencies, tables of their cosines) are what a load through the
meta device loses most easily: nobody reports them as missing.
"""

import math
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

import torch

from compatprobe import tensors as probe
from scenarios.common.references.layers import rope_frequencies

if TYPE_CHECKING:
    from compatprobe import Cell

#: Gemma 3 (2503.19786): the bases where the configuration leaves them out.
_GEMMA3_BASES = (1_000_000.0, 10_000.0)


def rotary(config: Mapping[str, Any], name: str) -> Optional[torch.Tensor]:
    """The frequencies (head / 2, float64) that a buffer ``*inv_freq`` must hold; None where that is not known.

    Args:
        config: the checkpoint's ``config.json``; its ``text_config`` is used where it has one.
        name: the buffer's: Gemma 3 has one set for local and one for global attention, in ``rotary_emb_local``
            and ``rotary_emb``, or (transformers 5) as ``sliding_attention_*`` and ``full_attention_*``.
    """
    text: Mapping[str, Any] = config.get("text_config") or config
    scaling = text.get("rope_scaling")
    base = float(text.get("rope_theta") or 10_000.0)
    heads = text.get("num_attention_heads")
    size = text.get("head_dim") or (text["hidden_size"] // heads if heads and "hidden_size" in text else None)
    if size is None or "vision" in name:
        return None
    if str(text.get("model_type", "")).startswith("gemma3"):
        local = "local" in name or "sliding" in name
        default = _GEMMA3_BASES[1 if local else 0]
        base = float(text.get("rope_local_base_freq" if local else "rope_theta") or default)
        scaling = None if local else scaling
    kind = scaling.get("rope_type", scaling.get("type")) if scaling else "default"
    if kind == "linear":
        return rope_frequencies(size, base) / float(scaling["factor"]) if scaling else None
    return rope_frequencies(size, base, scaling) if kind in ("default", "llama3") else None


def expected(config: Mapping[str, Any], name: str, observed: torch.Tensor) -> Optional[torch.Tensor]:
    """What a buffer must hold (float64), or None where only "it has a value" can be asked for."""
    last = name.rsplit(".", 1)[-1]
    if last.endswith("inv_freq"):
        return rotary(config, name)
    if last == "position_ids":
        return torch.arange(observed.shape[-1], dtype=torch.float64).expand(observed.shape)
    if last.lstrip("_") in ("cos_cached", "sin_cached"):
        frequencies = rotary(config, name)
        if frequencies is None:
            return None
        angles = torch.outer(torch.arange(observed.shape[-2], dtype=torch.float64), frequencies)
        angles = torch.cat([angles, angles], dim=-1)
        return (angles.cos() if last.endswith("cos_cached") else angles.sin()).expand(observed.shape)
    return None


def limit(config: Mapping[str, Any], observed: torch.Tensor) -> float:
    """How far rounding may take a rotary buffer: relative for frequencies, absolute for their cosines and sines.

    base ** -x carries the rounding of x times ln(base); a cosine carries that of its angle, which grows with
    the position; and the value is rounded to the buffer's own dtype.
    """
    text: Mapping[str, Any] = config.get("text_config") or config
    base = max(float(text.get("rope_theta") or 0), _GEMMA3_BASES[0])
    single = torch.finfo(torch.float32).eps
    growth = observed.shape[-2] if observed.dim() > 1 else 1
    return float(single * (2 + math.log(base)) * growth + torch.finfo(observed.dtype).eps)


def check(cell: "Cell", model: torch.nn.Module, config: Mapping[str, Any]) -> None:
    """Check that every buffer has a finite value, and the rotary ones the right one."""
    values = probe.read(model)
    named: Dict[str, torch.Tensor] = {key: values[key] for key, _ in model.named_buffers(remove_duplicate=False)}
    problems: Dict[str, str] = {}
    for name, observed in named.items():
        if observed.is_meta:
            problems[name] = "left on meta"
        elif observed.is_floating_point() and not bool(torch.isfinite(observed).all()):
            problems[name] = "not finite"
        else:
            wanted = expected(config, name, observed)
            far = 0.0 if wanted is None else _far(name, observed, wanted)
            if not far <= (limit(config, observed) if observed.is_floating_point() else 0.0):
                problems[name] = f"differs by {far:.3g}"
    shown = "; ".join(f"{key}: {why}" for key, why in list(problems.items())[:8])
    cell.check("buffers", len(problems), 0, shown)


def _far(name: str, observed: torch.Tensor, wanted: torch.Tensor) -> float:
    if name.endswith("inv_freq") and observed.shape == wanted.shape:
        return probe.distance(observed.to(torch.float64) / wanted.to(observed.device), torch.ones_like(wanted))[0]
    return probe.distance(observed, wanted)[0]
