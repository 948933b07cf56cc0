"""A model on meta, and then a card, which is a virtual one: moved, emptied and loaded, or loaded and moved."""

from typing import Any

from compatprobe import Cell, scenario

_STYLES = ("untied", "tied")
_CONTEXTS = ("init_empty_weights", "include-buffers", "torch-device-meta")
_CARD = "cuda:0"


def _seldom(context: str, style: str) -> bool:
    return style == "tied" and context != "init_empty_weights"


@scenario(
    title="meta device, model.to('cuda:0') (a virtual card)",
    params={"context": _CONTEXTS, "style": _STYLES},
    exclude=_seldom,
    needs=("virtual-cuda:1",),
)
def meta_to_card(cell: Cell, context: str, style: str) -> None:
    """There is nothing to move yet; then the file is loaded into whatever is there."""
    from scenarios.meta_init import _meta

    made = _meta.checkpoint(cell, style)
    model = _meta.build(cell, made, context)
    cell.step("to")
    model = model.to(_CARD)
    _loaded(cell, model, made)
    _check(cell, model, made)


@scenario(
    title="meta device, to_empty(device='cuda:0') (a virtual card), load_state_dict",
    params={"context": _CONTEXTS, "style": _STYLES},
    exclude=_seldom,
    needs=("virtual-cuda:1",),
)
def to_empty_on_card(cell: Cell, context: str, style: str) -> None:
    """As on the CPU: buffers get new memory too, and what is not in the file is not filled again."""
    from scenarios.meta_init import _meta

    made = _meta.checkpoint(cell, style)
    model = _meta.build(cell, made, context)
    cell.step("to_empty")
    model = model.to_empty(device=_CARD)
    _loaded(cell, model, made)
    _check(cell, model, made)


@scenario(
    title="the same, with the buffers backed up before to_empty and restored on the card",
    params={"context": _CONTEXTS, "style": _STYLES},
    exclude=_seldom,
    needs=("virtual-cuda:1",),
    cures=("meta-init/to-empty-on-card",),
)
def buffers_restored_on_card(cell: Cell, context: str, style: str) -> None:
    """The backup must be moved to the card as well."""
    from scenarios.meta_init import _meta

    made = _meta.checkpoint(cell, style)
    model = _meta.build(cell, made, context)
    cell.step("back-up")
    kept = {name: buffer.detach().clone() for name, buffer in model.named_buffers()}
    cell.step("to_empty")
    model = model.to_empty(device=_CARD)
    _loaded(cell, model, made)
    cell.step("restore")
    for name, value in kept.items():
        owner, _, leaf = name.rpartition(".")
        model.get_submodule(owner)._buffers[leaf] = value.to(_CARD)
    _check(cell, model, made)


@scenario(
    title="meta device, load_state_dict(assign=True), then model.to('cuda:0') (a virtual card)",
    params={"context": _CONTEXTS, "style": _STYLES},
    exclude=_seldom,
    needs=("virtual-cuda:1",),
    cures=("meta-init/to-empty-on-card", "meta-init/meta-to-card"),
)
def assign_then_card(cell: Cell, context: str, style: str) -> None:
    """First the file's tensors, then the move, which takes the buffers along."""
    from scenarios.meta_init import _meta

    made = _meta.checkpoint(cell, style)
    model = _meta.build(cell, made, context)
    _loaded(cell, model, made, assign=True)
    cell.step("to")
    model = model.to(_CARD)
    _check(cell, model, made)


def _check(cell: Cell, model: Any, made: Any) -> None:
    from scenarios.common import placed
    from scenarios.meta_init import _meta

    cell.equal("on the card", placed.devices(model), [placed.short(_CARD)])
    _meta.check(cell, model, made)


def _loaded(cell: Cell, model: Any, made: Any, *, assign: bool = False) -> None:
    cell.step("load_state_dict")
    tied = "lm_head.weight" not in made.tensors
    model.load_state_dict(made.tensors, strict=not tied, assign=assign)
    if tied:
        cell.step("tie_weights")
        model.tie_weights()
