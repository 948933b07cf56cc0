"""The script as it was reported, its cure, and what lies between."""

from typing import Sequence

from compatprobe import Cell, scenario
from scenarios.common import cards

_STYLES = ("untied", "tied")
#: The cards are virtual.
_MEMORY = ("cpu", "cpu+disk", "2-cards", "2-cards+cpu")
_MORE = ("2-cards+disk", "3-cards", "3-cards+disk")


def _needs(memory: str = "", plan: str = "", **_: str) -> Sequence[str]:
    return cards.needs(memory or plan)


@scenario(
    title="init_empty_weights + AutoModel.from_config + load_checkpoint_in_model + dispatch_model",
    needs=_needs,
    params={"style": _STYLES, "memory": (*_MEMORY, *_MORE)},
    exclude=lambda style, memory: style == "tied" and memory in _MORE,
    claims=("C4.1", "C4.4"),
)
def script(cell: Cell, style: str, memory: str) -> None:
    """As DeepKE's script has it: ``AutoModel`` has no ``model.`` in its names, the checkpoint has."""
    from scenarios.oneke import _script

    made = _script.checkpoint(cell, style)
    model = _script.run(cell, made, "AutoModel", tie_weights=False, memory=memory)
    _script.check(cell, model, made, "AutoModel")


@scenario(
    title="the same with AutoModelForCausalLM and model.tie_weights()",
    needs=_needs,
    params={"style": _STYLES, "memory": (*_MEMORY, *_MORE, "2-cards-small-0")},
    claims=("C4.2", "C4.3"),
    cures=("oneke/script",),
)
def script_cure(cell: Cell, style: str, memory: str) -> None:
    """The cure that was found by the reporter; its outputs must be the reference's."""
    from scenarios.oneke import _script

    made = _script.checkpoint(cell, style)
    model = _script.run(cell, made, "AutoModelForCausalLM", tie_weights=True, memory=memory)
    _script.check(cell, model, made, "AutoModelForCausalLM")


@scenario(
    title="the cure, with dispatch_model(skip_keys='past_key_values') as from_pretrained has it, over virtual cards",
    needs=_needs,
    params={"memory": ("2-cards", "2-cards+cpu", "3-cards")},
    cures=("oneke/script-cure",),
)
def script_skip_keys(cell: Cell, memory: str) -> None:
    """Hooks then leave the cache on the cards where its layers are."""
    from scenarios.oneke import _script

    made = _script.checkpoint(cell, "untied")
    api, skipped = "AutoModelForCausalLM", "past_key_values"
    model = _script.run(cell, made, api, tie_weights=True, memory=memory, skip_keys=skipped)
    _script.check(cell, model, made, api)


@scenario(
    title="one half of the cure: only the class, or only tie_weights()",
    needs=_needs,
    params={"half": ("class", "tie_weights"), "style": _STYLES, "memory": (*_MEMORY, "3-cards")},
    claims=("C4.2",),
)
def script_half_cure(cell: Cell, half: str, style: str, memory: str) -> None:
    """Which of the two changes does it."""
    from scenarios.oneke import _script

    api = "AutoModelForCausalLM" if half == "class" else "AutoModel"
    made = _script.checkpoint(cell, style)
    model = _script.run(cell, made, api, tie_weights=half == "tie_weights", memory=memory)
    _script.check(cell, model, made, api)


@scenario(
    title="from_pretrained of the same checkpoint",
    needs=_needs,
    params={"style": _STYLES, "plan": ("plain", "auto", "cpu+disk", "2-cards", "2-cards+cpu", *_MORE)},
    exclude=lambda style, plan: style == "tied" and plan in _MORE,
    cures=("oneke/script",),
)
def plain(cell: Cell, style: str, plan: str) -> None:
    """No script at all: float16, three shards."""
    import torch

    from scenarios.common import plans
    from scenarios.oneke import _script

    made = _script.checkpoint(cell, style)
    auto = cell.api("AutoModelForCausalLM")
    arguments = plans.plan(plan, cell.directory, made.tensors)
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), torch_dtype=torch.float16, **arguments).eval()
    plans.came_out(cell, model, plan, arguments.get("device_map"))
    _script.check(cell, model, made, "AutoModelForCausalLM")
