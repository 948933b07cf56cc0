"""``from_pretrained`` with nothing but a dtype: what every version must be able to do."""

from compatprobe import Cell, scenario

_KEPT = {
    ("untied", "float32", "safetensors"),
    ("untied", "float32", "bin"),
    ("untied", "float32", "sharded"),
    ("untied", "float32", "sharded-bin"),
    ("tied", "float32", "safetensors"),
    ("tied", "float32", "bin"),
    ("tied", "float16", "sharded"),
    ("tied", "bfloat16", "safetensors"),
    ("grouped", "float32", "safetensors"),
    ("grouped", "float16", "safetensors"),
    ("grouped", "bfloat16", "sharded"),
    ("llama3-rope", "float32", "safetensors"),
    ("llama3-rope", "bfloat16", "safetensors"),
}


@scenario(
    title="AutoModelForCausalLM.from_pretrained(path, torch_dtype=...)",
    params={
        "style": ("untied", "tied", "grouped", "llama3-rope"),
        "dtype": ("float32", "float16", "bfloat16"),
        "format": ("safetensors", "bin", "sharded", "sharded-bin"),
    },
    exclude=lambda style, dtype, format: (style, dtype, format) not in _KEPT,
)
def plain(cell: Cell, style: str, dtype: str, format: str) -> None:
    """Each style of checkpoint in each format, stored in the dtype that is asked for."""
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", style, dtype, format)
    _try.known(cell, made, style)
    auto = cell.api("AutoModelForCausalLM")
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), **_try.dtype_argument(dtype)).eval()
    _try.causal(cell, model, made, dtype)


@scenario(
    title="from_pretrained of a checkpoint that is stored in another dtype",
    name="cast",
    params={"stored": ("float32", "float16", "bfloat16"), "asked": ("float32", "float16", "bfloat16")},
    exclude=lambda stored, asked: stored == asked,
)
def cast(cell: Cell, stored: str, asked: str) -> None:
    """The tensors must be the file's, rounded once to the dtype that was asked for."""
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", "grouped", stored)
    auto = cell.api("AutoModelForCausalLM")
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), **_try.dtype_argument(asked)).eval()
    _try.causal(cell, model, made, asked, generate=False)
