"""The advice to call ``to_empty`` on a loaded model (given for transformers#36579)."""

from compatprobe import Cell, scenario


@scenario(
    title="from_pretrained(path), then model.to_empty(device='cpu')",
    params={"api": ("AutoModel", "AutoModelForCausalLM"), "style": ("grouped", "tied")},
    claims=("C2.2",),
    cures=("llama/auto-model",),
)
def to_empty_cure(cell: Cell, api: str, style: str) -> None:
    """``to_empty`` gives every tensor new memory and copies nothing: are the weights still the file's?"""
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", style)
    auto = cell.api(api)
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path)).eval()
    cell.step("to_empty")
    model = model.to_empty(device="cpu")
    if api == "AutoModel":
        _try.base(cell, model, made)
    else:
        _try.causal(cell, model, made, generate=False)
