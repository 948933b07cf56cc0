"""``to_empty`` and then ``load_state_dict``: the way that was reported, and cures for what it loses."""

import math
from typing import Any

from compatprobe import Cell, scenario

_STYLES = ("untied", "tied")
_CONTEXTS = ("init_empty_weights", "include-buffers", "torch-device-meta")


@scenario(
    title="meta device, to_empty(device='cpu'), load_state_dict",
    params={"context": _CONTEXTS, "style": _STYLES},
    claims=("C3.1", "C3.2"),
)
def to_empty_then_load(cell: Cell, context: str, style: str) -> None:
    """``to_empty`` gives buffers new memory too, and what is not in the file is not filled again."""
    from scenarios.meta_init import _meta

    made = _meta.checkpoint(cell, style)
    model = _meta.build(cell, made, context)
    _emptied_and_loaded(cell, model, made)
    _meta.check(cell, model, made)


@scenario(
    title="the same, with the buffers backed up before to_empty and restored afterwards",
    params={"context": _CONTEXTS, "style": _STYLES},
    claims=("C3.4",),
    cures=("meta-init/to-empty-then-load",),
)
def buffers_restored(cell: Cell, context: str, style: str) -> None:
    """It can only help where the buffers had values before."""
    from scenarios.meta_init import _meta

    made = _meta.checkpoint(cell, style)
    model = _meta.build(cell, made, context)
    cell.step("back-up")
    kept = {name: buffer.detach().clone() for name, buffer in model.named_buffers()}
    _emptied_and_loaded(cell, model, made)
    cell.step("restore")
    for name, value in kept.items():
        _module_of(model, name)._buffers[name.rsplit(".", 1)[-1]] = value
    _meta.check(cell, model, made)


@scenario(
    title="the same, with the buffers computed again by a function of one's own",
    params={"context": _CONTEXTS, "style": _STYLES},
    claims=("C3.5",),
    cures=("meta-init/to-empty-then-load",),
)
def buffers_reinitialised(cell: Cell, context: str, style: str) -> None:
    """The function must know every buffer that the version has."""
    from scenarios.meta_init import _meta

    made = _meta.checkpoint(cell, style)
    model = _meta.build(cell, made, context)
    _emptied_and_loaded(cell, model, made)
    cell.step("init_buffers")
    _init_buffers(model)
    _meta.check(cell, model, made)


def _emptied_and_loaded(cell: Cell, model: Any, made: Any) -> None:
    cell.step("to_empty")
    model.to_empty(device="cpu")
    cell.step("load_state_dict")
    tied = "lm_head.weight" not in made.tensors
    model.load_state_dict(made.tensors, strict=not tied)
    if tied:
        # to_empty gives the head memory of its own, and the file has nothing for it.
        cell.step("tie_weights")
        model.tie_weights()


def _module_of(model: Any, name: str) -> Any:
    return model.get_submodule(name.rsplit(".", 1)[0]) if "." in name else model


def _init_buffers(model: Any) -> None:
    """What somebody writes who has read the version's rotary module: its frequencies, and its tables if any."""
    import torch

    config = model.config
    size = config.hidden_size // config.num_attention_heads
    base = getattr(config, "rope_theta", None) or config.rope_parameters["rope_theta"]
    frequencies = torch.exp(-math.log(base) * torch.arange(0, size, 2, dtype=torch.float64) / size)
    angles = torch.outer(torch.arange(config.max_position_embeddings, dtype=torch.float64), frequencies)
    angles = torch.cat([angles, angles], dim=-1)
    known = {"inv_freq": frequencies, "original_inv_freq": frequencies}
    known.update({"cos_cached": angles.cos(), "sin_cached": angles.sin()})
    for module in model.modules():
        for name in module._buffers:
            if name.lstrip("_") in known:
                module._buffers[name] = known[name.lstrip("_")].float()
        # A plain attribute in 4.45 to 4.57, a buffer later.
        if "original_inv_freq" in vars(module):
            module.original_inv_freq = frequencies.float()
