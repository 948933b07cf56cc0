"""``low_cpu_mem_usage``, which loads through the meta device (advised for transformers#36579)."""

from compatprobe import Cell, scenario


@scenario(
    title="from_pretrained(path, low_cpu_mem_usage=True)",
    params={
        "api": ("AutoModel", "AutoModelForCausalLM"),
        "style": ("grouped", "tied"),
        "format": ("safetensors", "sharded", "bin"),
    },
    exclude=lambda style, format, **_: style == "tied" and format == "sharded",
    claims=("C2.3",),
    cures=("llama/auto-model",),
)
def low_cpu_mem_usage(cell: Cell, api: str, style: str, format: str) -> None:
    """The result must be that of a plain load."""
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", style, "float32", format)
    auto = cell.api(api)
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), low_cpu_mem_usage=True).eval()
    if api == "AutoModel":
        _try.base(cell, model, made)
    else:
        _try.causal(cell, model, made, generate=False)
