"""What else is said to ``from_pretrained``: the dtype, and what is asked back."""

from typing import Any, Dict

from compatprobe import Cell, Unsupported, scenario

_SAID = {
    "none": {},
    "torch_dtype": {"torch_dtype": "torch.float16"},
    "torch_dtype-string": {"torch_dtype": "float16"},
    "torch_dtype-auto": {"torch_dtype": "auto"},
    "dtype": {"dtype": "torch.float16"},
    "dtype-string": {"dtype": "float16"},
    "dtype-auto": {"dtype": "auto"},
}

#: How versions say that they do not take the argument, or not a name for it.
_REFUSALS = ("unexpected keyword argument 'dtype'", "`torch_dtype` can be")


@scenario(title="from_pretrained of a float16 file, by the way of saying so", params={"said": tuple(_SAID)})
def dtype_argument(cell: Cell, said: str) -> None:
    """Where a dtype is named, or "auto", the tensors must have it; where none is, the values must be the file's."""
    import torch

    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", "grouped", "float16")
    auto = cell.api("AutoModelForCausalLM")
    arguments: Dict[str, Any] = {k: torch.float16 if v == "torch.float16" else v for k, v in _SAID[said].items()}
    cell.step("from_pretrained")
    try:
        model = auto.from_pretrained(str(made.path), **arguments).eval()
    except (TypeError, ValueError) as error:
        if any(words in str(error) for words in _REFUSALS):
            raise Unsupported(f"from_pretrained({said})", str(error)) from error
        raise
    computes = str(next(model.parameters()).dtype).replace("torch.", "")
    cell.fact("dtype", computes)
    if arguments:
        cell.equal("dtype", computes, "float16")
    _try.causal(cell, model, made, computes, generate=False)


@scenario(
    title="from_pretrained(path, output_loading_info=True)",
    params={
        "api": ("AutoModelForCausalLM", "AutoModel"),
        "plan": ("plain", "cpu", "auto", "disk"),
        "style": ("grouped", "tied"),
    },
    exclude=lambda api, style, **_: style == "tied" and api == "AutoModel",
)
def output_loading_info(cell: Cell, api: str, plan: str, style: str) -> None:
    """Nothing is missing or mis-shaped; ``AutoModel`` has no place for the head, and may say so."""
    from scenarios.common import plans
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", style)
    auto = cell.api(api)
    arguments = plans.plan(plan, cell.directory, made.tensors, head=api != "AutoModel")
    cell.step("from_pretrained")
    model, info = auto.from_pretrained(str(made.path), output_loading_info=True, **arguments)
    plans.came_out(cell, model, plan, arguments.get("device_map"))
    reported = {key: sorted(str(one) for one in value) for key, value in sorted(info.items())}
    cell.fact("loading_info", reported)
    allowed = ([], ["lm_head.weight"]) if api == "AutoModel" else ([],)
    cell.equal("missing_keys", reported.get("missing_keys"), [])
    cell.equal("mismatched_keys", reported.get("mismatched_keys"), [])
    cell.check("unexpected_keys", 0 if reported.get("unexpected_keys") in allowed else 1, 0, str(reported))
    if api == "AutoModel":
        _try.base(cell, model.eval(), made)
    else:
        _try.causal(cell, model.eval(), made, generate=False)


@scenario(
    title="safetensors without the 'format' entry in their metadata",
    params={"plan": ("plain", "auto", "disk", "cpu+disk")},
)
def missing_format_metadata(cell: Cell, plan: str) -> None:
    """Files written by other tools often lack it; the tensors in them are no different."""
    from scenarios.common import plans
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", "grouped", metadata=False)
    auto = cell.api("AutoModelForCausalLM")
    arguments = plans.plan(plan, cell.directory, made.tensors)
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), **arguments).eval()
    plans.came_out(cell, model, plan, arguments.get("device_map"))
    _try.causal(cell, model, made, generate=False)
