"""Checkpoints that do not fit: a key is missing, one is too many, one has another shape."""

from typing import Any, Dict

from compatprobe import Cell, scenario

_KEY = "model.layers.1.mlp.up_proj.weight"
_EXTRA = "model.layers.1.mlp.bonus.weight"


@scenario(
    title="a checkpoint with a key missing, added or mis-shaped",
    params={
        "damage": ("missing", "extra", "misshaped", "misshaped-ignored"),
        "plan": ("plain", "auto", "disk"),
    },
    exclude=lambda damage, plan: damage.startswith("misshaped") and plan == "disk",
)
def damaged(cell: Cell, damage: str, plan: str) -> None:
    """The load must say what is wrong, and must still get right what is there; a wrong shape is an error."""
    from scenarios.common import models, plans, verify
    from scenarios.common.checkpoint import write_checkpoint
    from scenarios.llama import _try

    whole = models.llama(cell.directory / "whole")
    tensors = dict(whole.tensors)
    if damage == "missing":
        del tensors[_KEY]
    elif damage == "extra":
        tensors[_EXTRA] = tensors[_KEY].clone()
    else:
        tensors[_KEY] = tensors[_KEY][:-1].clone()
    made = write_checkpoint(cell.directory / "checkpoint", whole.config, tensors)
    auto = cell.api("AutoModelForCausalLM")
    arguments: Dict[str, Any] = plans.plan(plan, cell.directory, whole.tensors)
    if damage == "misshaped-ignored":
        arguments["ignore_mismatched_sizes"] = True
    cell.step("from_pretrained")
    try:
        model, info = auto.from_pretrained(str(made.path), output_loading_info=True, **arguments)
    except (RuntimeError, ValueError) as error:
        if damage != "misshaped":
            raise
        cell.fact("refused", type(error).__name__)
        cell.equal("refused", True, True)
        return
    cell.equal("refused", False, damage == "misshaped")
    named = {key: sorted(str(one[0] if isinstance(one, tuple) else one) for one in info[key]) for key in info}
    cell.fact("loading_info", named)
    cell.equal("missing_keys", named.get("missing_keys"), [_KEY] if damage == "missing" else [])
    cell.equal("unexpected_keys", named.get("unexpected_keys"), [_EXTRA] if damage == "extra" else [])
    cell.equal("mismatched_keys", named.get("mismatched_keys"), [_KEY] if damage.startswith("misshaped") else [])
    _rest(cell, model, tensors if damage == "missing" else whole.tensors, damage)
    if damage == "extra":
        verify.forward(cell, model.eval(), _try.PROMPTS, _try.logits(whole))


def _rest(cell: Cell, model: Any, expected: Any, damage: str) -> None:
    """What is in the file and fits must be in the model; what is not must have some value of its own."""
    from compatprobe import tensors as probe

    observed = probe.read(model)
    sound = {key: value for key, value in expected.items() if key != _KEY or damage == "extra"}
    cell.same_tensors("tensors", observed, sound)
    filled = observed[_KEY]
    cell.check("filled", 0 if not filled.is_meta and bool(filled.isfinite().all()) else 1, 0, str(filled.device))
    cell.model(model)
