"""Llama through ``AutoModel`` and ``AutoModelForCausalLM`` with a device map (transformers#36579)."""

from typing import Dict, Optional

from compatprobe import Cell, scenario
from scenarios.common import cards

_PLANS = ("plain", "cpu", "cpu-map", "auto", "sequential", "balanced", "balanced-low-0")
_OFFLOADED = ("disk", "disk-embedding", "disk-all", "cpu+disk")
#: Virtual ones; llama/cards has all such plans.
_CARDS = ("2-cards-auto", "2-cards-balanced", "2-cards", "2-cards+cpu", "2-cards+disk")
_FEW = ("2-cards-auto", "2-cards+cpu", "plain", "auto", "disk", "disk-embedding", "cpu+disk")


def _sizes(style: str, plan: str) -> Optional[Dict[str, int]]:
    """Few positions over cards: old versions keep tables of them in every layer, which would not fit the budgets.

    Versions that know the scaling of Llama 3.1 have no such tables, and its positions belong to the scaling.
    """
    from scenarios.llama import _try

    return _try.DEEP if plan in _CARDS and style != "llama3-rope" else None


@scenario(
    title="AutoModel.from_pretrained(path, device_map=...)",
    params={"style": ("grouped", "llama3-rope", "tied"), "plan": _PLANS + _OFFLOADED + _CARDS},
    exclude=lambda style, plan: style != "grouped" and plan not in _FEW,
    needs=cards.needs,
    claims=("C2.1", "C2.4"),
)
def auto_model(cell: Cell, style: str, plan: str) -> None:
    """The class without a head over a checkpoint that has one; every plan must give the same hidden states.

    The cards of ``2-cards`` plans are virtual.
    """
    from scenarios.common import plans
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", style, sizes=_sizes(style, plan))
    _try.known(cell, made, style)
    auto = cell.api("AutoModel")
    arguments = plans.plan(plan, cell.directory, made.tensors, head=False)
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), **arguments).eval()
    plans.came_out(cell, model, plan, arguments.get("device_map"))
    _try.base(cell, model, made)


@scenario(
    title="AutoModelForCausalLM.from_pretrained(path, device_map=...)",
    name="causal-lm",
    params={
        "style": ("grouped", "llama3-rope", "tied"),
        "plan": (*_PLANS, *_OFFLOADED, "disk-head", "disk-no-folder", *_CARDS),
    },
    exclude=lambda style, plan: style == "llama3-rope" and plan not in _FEW,
    needs=cards.needs,
    claims=("C2.4",),
)
def causal_lm(cell: Cell, style: str, plan: str) -> None:
    """The class with a head, untied and tied; logits, and generate. The cards of ``2-cards`` plans are virtual."""
    from scenarios.common import plans
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", style, sizes=_sizes(style, plan))
    _try.known(cell, made, style)
    auto = cell.api("AutoModelForCausalLM")
    arguments = plans.plan(plan, cell.directory, made.tensors)
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), **arguments).eval()
    plans.came_out(cell, model, plan, arguments.get("device_map"))
    _try.causal(cell, model, made)


@scenario(
    title="A part of the model on disk, by the format of the file",
    name="offload-format",
    params={
        "format": ("bin", "sharded", "sharded-bin"),
        "plan": ("disk", "cpu+disk"),
        "dtype": ("float32", "float16", "bfloat16"),
    },
    exclude=lambda plan, dtype, **_: dtype != "float32" and plan != "disk",
)
def offload_format(cell: Cell, format: str, plan: str, dtype: str) -> None:
    """Safetensors are read in place; other files are copied to the offload folder, one tensor each."""
    from scenarios.common import plans
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", "grouped", dtype, format)
    auto = cell.api("AutoModelForCausalLM")
    arguments = plans.plan(plan, cell.directory, made.tensors)
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), **arguments, **_try.dtype_argument(dtype)).eval()
    plans.came_out(cell, model, plan, arguments.get("device_map"))
    _try.causal(cell, model, made, dtype, generate=False)
