"""Whether the buffers that no file holds are right: rotary frequencies, tables of positions, masks.

They are what a load through the meta device loses most easily, and nobody reports them as missing. Two judges: for
configurations that :mod:`scenarios.common.buffers` knows, the papers; for every other, the version's own class, built
anew from the configuration on the CPU, where nothing can be lost.
"""

import copy
from typing import TYPE_CHECKING, Any, Dict, Mapping

import torch

from compatprobe import tensors as probe
from scenarios.common import buffers

from . import _asked, _load, _tensors
from ._observed import Observed

if TYPE_CHECKING:
    from compatprobe import Cell

    from ._files import Files

#: Architectures whose rotary buffers follow from the configuration as :func:`buffers.rotary` reads it.
_KNOWN = frozenset({"llama", "mistral", "mixtral", "gemma", "gemma2", "gemma3", "gemma3_text", "qwen2", "qwen3"})
_ROUNDINGS = 8


def check(cell: "Cell", model: torch.nn.Module, files: "Files") -> None:
    """Check that every buffer has a value, and the right one as far as that is known; how each was judged is a fact."""
    cell.step("buffers")
    values = Observed(model)
    named = {key: values[key] for key, _ in model.named_buffers(remove_duplicate=False)}
    config = old_style(_asked.CONFIG)
    fresh = _built_anew(cell, model) if named and _asked.IN_FLOAT64 else {}
    stored = _tensors.stored(model, files.names)  # the comparison of tensors has these
    problems: Dict[str, str] = {}
    judged = {"by the configuration": 0, "by the class built anew": 0, "by nothing": 0}
    for name, observed in named.items():
        if name in stored:
            continue
        if observed.is_meta:
            problems[name] = "left on meta"
            continue
        wanted = buffers.expected(config, name, observed) if _rotary_is_known(_asked.CONFIG) else None
        if wanted is not None:
            judged["by the configuration"] += 1
            limit = buffers.limit(config, observed) if observed.is_floating_point() else 0.0
            far = _relative(name, observed, wanted)
        elif name in fresh:
            judged["by the class built anew"] += 1
            limit, far = _limit(observed, fresh[name]), _far(observed, fresh[name], relative="inv_freq" in name)
        else:
            judged["by nothing"] += 1
            nan = observed.is_floating_point() and bool(observed.isnan().any())
            limit, far = 0.0, float("inf") if nan else 0.0
        if not far <= limit:
            problems[name] = "not a number" if far == float("inf") else f"differs by {far:.3g}"
    if named:
        cell.fact("buffers judged", {how: count for how, count in judged.items() if count})
    shown = "; ".join(f"{key}: {why}" for key, why in list(problems.items())[:8])
    cell.check("buffers", len(problems), 0, shown)


def old_style(config: Mapping[str, Any]) -> Dict[str, Any]:
    """The configuration as it was written before transformers 5, which keeps everything rotary in one place."""
    plain = dict(config)
    text = plain.get("text_config")
    if isinstance(text, Mapping):
        plain["text_config"] = old_style(text)
    settings = plain.pop("rope_parameters", None)
    if isinstance(settings, Mapping):
        by_layer = {name: value for name, value in settings.items() if isinstance(value, Mapping)}
        chosen = by_layer.get("full_attention", settings)
        local = by_layer.get("sliding_attention", {})
        if "rope_theta" in chosen:
            plain["rope_theta"] = chosen["rope_theta"]
        if "rope_theta" in local:
            plain["rope_local_base_freq"] = local["rope_theta"]
        kind = chosen.get("rope_type", chosen.get("type", "default"))
        plain["rope_scaling"] = None if kind == "default" else dict(chosen)
    return plain


def _rotary_is_known(config: Mapping[str, Any]) -> bool:
    text = config.get("text_config") or config
    partial = text.get("partial_rotary_factor") or (text.get("rope_parameters") or {}).get("partial_rotary_factor")
    return str(text.get("model_type", config.get("model_type"))) in _KNOWN and partial in (None, 1, 1.0)


def _relative(name: str, observed: torch.Tensor, wanted: torch.Tensor) -> float:
    if name.endswith("inv_freq") and observed.shape == wanted.shape:
        return probe.distance(observed.cpu().to(torch.float64) / wanted, torch.ones_like(wanted))[0]
    return probe.distance(observed, wanted)[0]


def _built_anew(cell: "Cell", model: torch.nn.Module) -> Dict[str, torch.Tensor]:
    """The buffers of the same class without a load; random ones, which differ each time, are left out."""
    try:
        first, second = (_build(model) for _ in range(2))
    except Exception as error:  # classes that need more than a configuration: nothing is known then
        cell.fact("the class was not built anew", f"{type(error).__name__}: {error}")
        return {}
    return {name: value for name, value in first.items() if name in second and _far(value, second[name]) == 0}


def _build(model: torch.nn.Module) -> Dict[str, torch.Tensor]:
    usual = torch.get_default_dtype()
    try:
        torch.set_default_dtype(_load.dtype_of(model))
        built: Any = type(model)(copy.deepcopy(model.config))
    finally:
        torch.set_default_dtype(usual)
    return {name: value.clone() for name, value in built.named_buffers(remove_duplicate=False) if not value.is_meta}


def _far(observed: torch.Tensor, wanted: torch.Tensor, *, relative: bool = False) -> float:
    """The largest difference, over the largest value or (of frequencies, which span decades) each over its own."""
    if observed.shape != wanted.shape:
        return float("inf")
    one, other = observed.detach().cpu().to(torch.float64), wanted.detach().cpu().to(torch.float64)
    same = (one == other) | (one.isnan() & other.isnan())
    if bool(same.all()):
        return 0.0
    size = other.abs()
    if not relative:
        size = size.nan_to_num(nan=0.0, posinf=0.0).max().expand(other.shape)
    apart = torch.where(same, torch.zeros_like(one), (one - other).abs() / size.clamp(min=1e-30))
    return float(apart.nan_to_num(nan=float("inf")).max())


def _limit(observed: torch.Tensor, wanted: torch.Tensor) -> float:
    kinds = [one.dtype for one in (observed, wanted) if one.is_floating_point()]
    return _ROUNDINGS * max(torch.finfo(kind).eps for kind in kinds) if len(kinds) == 2 else 0.0
