"""Ways of filling a model on meta that need no ``to_empty``."""

import inspect
from typing import Any, Dict

from compatprobe import Cell, scenario
from scenarios.common import cards

#: Virtual ones.
_CARDS = ("2-cards", "2-cards+cpu", "2-cards+disk")
_STYLES = ("untied", "tied")
_CONTEXTS = ("init_empty_weights", "include-buffers", "torch-device-meta")


@scenario(
    title="meta device, load_state_dict(assign=True)",
    params={"context": _CONTEXTS, "style": _STYLES},
    cures=("meta-init/to-empty-then-load",),
)
def assign_without_to_empty(cell: Cell, context: str, style: str) -> None:
    """The file's tensors take the place of the meta ones; buffers stay what they are."""
    from scenarios.meta_init import _meta

    made = _meta.checkpoint(cell, style)
    model = _meta.build(cell, made, context)
    cell.step("load_state_dict")
    tied = "lm_head.weight" not in made.tensors
    model.load_state_dict(made.tensors, strict=not tied, assign=True)
    if tied:
        cell.step("tie_weights")
        model.tie_weights()
    _meta.check(cell, model, made)


@scenario(
    title="meta device, accelerate.load_checkpoint_and_dispatch",
    params={"context": _CONTEXTS, "style": _STYLES, "plan": ("cpu-map", "auto", "disk", *_CARDS)},
    exclude=lambda context, style, plan: (
        plan in _CARDS and context != "init_empty_weights" and (style == "tied" or plan != "2-cards")
    ),
    needs=cards.needs,
    cures=("meta-init/to-empty-then-load",),
)
def load_checkpoint_and_dispatch(cell: Cell, context: str, style: str, plan: str) -> None:
    """``tie_weights()`` is called first, as accelerate asks for."""
    from scenarios.common import plans
    from scenarios.meta_init import _meta

    made = _meta.checkpoint(cell, style, plan)
    model = _meta.build(cell, made, context)
    model.tie_weights()
    arguments = plans.plan(plan, cell.directory, made.tensors)
    cell.step("load_checkpoint_and_dispatch")
    load = cell.api("load_checkpoint_and_dispatch", "accelerate")
    model = load(model, str(made.path), no_split_module_classes=["LlamaDecoderLayer"], **arguments)
    plans.came_out(cell, model, plan, arguments.get("device_map"))
    _meta.check(cell, model, made)


@scenario(
    title="meta device, transformers' own _load_state_dict_into_meta_model",
    params={"context": _CONTEXTS, "style": _STYLES},
    claims=("C3.3",),
    cures=("meta-init/to-empty-then-load",),
)
def state_dict_into_meta(cell: Cell, context: str, style: str) -> None:
    """A private function: it is given what the version's own signature asks for, by name."""
    from scenarios.meta_init import _meta

    made = _meta.checkpoint(cell, style)
    function = cell.api("_load_state_dict_into_meta_model", "transformers.modeling_utils")
    model = _meta.build(cell, made, context)
    names = list(made.tensors)
    offered: Dict[str, Any] = {
        "model": model,
        "state_dict": dict(made.tensors),
        "loaded_state_dict_keys": names,
        "start_prefix": "",
        "expected_keys": list(model.state_dict()),
        "shard_file": str(made.path / "model.safetensors"),
        "reverse_renaming_mapping": {name: name for name in names},
    }
    taken = inspect.signature(function).parameters
    cell.step("_load_state_dict_into_meta_model")
    function(**{name: value for name, value in offered.items() if name in taken})
    model.tie_weights()
    _meta.check(cell, model, made)


@scenario(
    title="from_pretrained",
    params={"style": _STYLES, "plan": ("plain", "cpu", "auto", "2-cards")},
    needs=cards.needs,
    claims=("C3.6",),
    cures=("meta-init/to-empty-then-load",),
)
def from_pretrained(cell: Cell, style: str, plan: str) -> None:
    """The standard way, which needs no care of the caller's."""
    from scenarios.common import plans
    from scenarios.meta_init import _meta

    made = _meta.checkpoint(cell, style, plan)
    auto = cell.api("AutoModelForCausalLM")
    cell.step("from_pretrained")
    arguments = plans.plan(plan, cell.directory, made.tensors)
    model = auto.from_pretrained(str(made.path), **arguments).eval()
    plans.came_out(cell, model, plan, arguments.get("device_map"))
    _meta.check(cell, model, made)
