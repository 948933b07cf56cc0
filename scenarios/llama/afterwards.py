"""What is done with a loaded model afterwards: moved, saved, read again."""

from typing import Any

from compatprobe import Cell, scenario
from scenarios.common import cards

_SAVED = ("2-cards-even", "2-cards+cpu", "2-cards+disk")
_CARDS = ("2-cards-even", "2-cards+cpu", "2-cards+disk", "2-cards-second", "3-cards-even")


@scenario(
    title="model.to('cpu') after each device plan",
    params={
        "plan": ("plain", "cpu", "auto", "sequential", "balanced", "disk", "cpu+disk", *_CARDS),
        "style": ("grouped", "tied"),
    },
    exclude=lambda plan, style: style == "tied" and plan in ("sequential", "balanced", *_CARDS[2:]),
    needs=cards.needs,
)
def to_after_load(cell: Cell, plan: str, style: str) -> None:
    """It may be refused while a part is offloaded; either way the model must still be right."""
    from scenarios.common import plans
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", style, sizes=_try.DEEP if plan in _CARDS else None)
    auto = cell.api("AutoModelForCausalLM")
    cell.step("from_pretrained")
    arguments = plans.plan(plan, cell.directory, made.tensors)
    model = auto.from_pretrained(str(made.path), **arguments).eval()
    plans.came_out(cell, model, plan, arguments.get("device_map"))
    model = _moved(cell, model, plan, "cpu")
    _try.causal(cell, model, made, generate=False)


@scenario(
    title="model.to('cuda:0') after each device plan, with virtual cards",
    params={"plan": ("plain", "cpu", "disk", *_CARDS)},
    # A plan on the CPU alone needs a card to move to all the same.
    needs=lambda plan: cards.needs(plan) or ("virtual-cuda:2",),
)
def to_card(cell: Cell, plan: str) -> None:
    """As ``to-after-load``, to the first card."""
    _moved_to_card(cell, plan, hooks=True)


@scenario(
    title="the same, after accelerate's remove_hook_from_submodules(model)",
    params={"plan": _CARDS},
    needs=cards.needs,
    cures=("llama/to-card",),
)
def to_card_without_hooks(cell: Cell, plan: str) -> None:
    """Without hooks nothing brings an input to another card, and what was offloaded comes back first."""
    _moved_to_card(cell, plan, hooks=False)


def _moved_to_card(cell: Cell, plan: str, *, hooks: bool) -> None:
    from scenarios.common import plans
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", sizes=_try.DEEP)
    auto = cell.api("AutoModelForCausalLM")
    cell.step("from_pretrained")
    arguments = plans.plan(plan, cell.directory, made.tensors)
    model = auto.from_pretrained(str(made.path), **arguments).eval()
    plans.came_out(cell, model, plan, arguments.get("device_map"))
    if not hooks:
        cell.step("remove_hook_from_submodules")
        cell.api("remove_hook_from_submodules", "accelerate.hooks")(model)
    model = _moved(cell, model, plan, "cuda:0")
    _try.causal(cell, model, made, generate=False)


def _moved(cell: Cell, model: Any, plan: str, device: str) -> Any:
    """``model.to(device)``, and that it moved; where a part is offloaded a version may refuse, and leaves it."""
    from scenarios.common import plans

    cell.step("to")
    try:
        model = model.to(device)
    except RuntimeError as error:
        if plan not in plans.OFFLOADED and "+" not in plan:
            raise
        cell.fact("refused", str(error))
    else:
        elsewhere = [name for name, parameter in model.named_parameters() if str(parameter.device) != device]
        cell.equal("moved", elsewhere, [])
    return model


@scenario(
    title="save_pretrained after each device plan, and the result read again",
    params={
        "plan": ("plain", "auto", "disk", "disk-embedding", "cpu+disk", *_SAVED),
        "style": ("grouped", "tied"),
        "dtype": ("float32", "bfloat16"),
    },
    exclude=lambda plan, style, dtype: (
        (dtype != "float32" and plan not in ("plain", "disk", "2-cards+cpu"))
        or (plan in _SAVED and dtype != "float32" and style == "tied")
    ),
    needs=cards.needs,
)
def save_and_reload(cell: Cell, plan: str, style: str, dtype: str) -> None:
    """The saved files must hold the checkpoint's tensors, and load to the same model."""
    from scenarios.common import plans
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", style, dtype, sizes=_try.DEEP if plan in _SAVED else None)
    auto = cell.api("AutoModelForCausalLM")
    arguments = {**plans.plan(plan, cell.directory, made.tensors), **_try.dtype_argument(dtype)}
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), **arguments).eval()
    plans.came_out(cell, model, plan, arguments.get("device_map"))
    # The file's decoding settings (a temperature without sampling) are refused by some versions when saved.
    model.generation_config.do_sample = True
    cell.step("save_pretrained")
    model.save_pretrained(str(cell.directory / "saved"), max_shard_size="300KB")
    saved = _try.read_files(cell.directory / "saved")
    cell.fact("saved_keys", sorted(saved))
    cell.same_tensors("saved", saved, made.tensors)
    cell.step("reload")
    again = auto.from_pretrained(str(cell.directory / "saved"), **_try.dtype_argument(dtype)).eval()
    _try.causal(cell, again, made, dtype, prefix="reloaded-", generate=False)
