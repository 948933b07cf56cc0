"""What is done with a loaded model afterwards: moved, saved, read again."""

from compatprobe import Cell, scenario


@scenario(
    title="model.to('cpu') after each device plan",
    params={
        "plan": ("plain", "cpu", "auto", "sequential", "balanced", "disk", "cpu+disk"),
        "style": ("grouped", "tied"),
    },
    exclude=lambda plan, style: style == "tied" and plan in ("sequential", "balanced"),
)
def to_after_load(cell: Cell, plan: str, style: str) -> None:
    """It may be refused while a part is on disk; either way the model must still be right."""
    from scenarios.common import plans
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", style)
    auto = cell.api("AutoModelForCausalLM")
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), **plans.plan(plan, cell.directory, made.tensors)).eval()
    plans.came_out(cell, model, plan)
    cell.step("to")
    try:
        model = model.to("cpu")
    except RuntimeError as error:
        if plan not in plans.OFFLOADED:
            raise
        cell.fact("refused", str(error))
    _try.causal(cell, model, made, generate=False)


@scenario(
    title="save_pretrained after each device plan, and the result read again",
    params={
        "plan": ("plain", "auto", "disk", "disk-embedding", "cpu+disk"),
        "style": ("grouped", "tied"),
        "dtype": ("float32", "bfloat16"),
    },
    exclude=lambda plan, dtype, **_: dtype != "float32" and plan not in ("plain", "disk"),
)
def save_and_reload(cell: Cell, plan: str, style: str, dtype: str) -> None:
    """The saved files must hold the checkpoint's tensors, and load to the same model."""
    from scenarios.common import plans
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", style, dtype)
    auto = cell.api("AutoModelForCausalLM")
    arguments = {**plans.plan(plan, cell.directory, made.tensors), **_try.dtype_argument(dtype)}
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), **arguments).eval()
    plans.came_out(cell, model, plan)
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
