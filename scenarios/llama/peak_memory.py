"""How much memory a load needs at its highest point, against the size of the file."""

from compatprobe import Cell, scenario

_OPTIONS = {"not-given": {}, "false": {"low_cpu_mem_usage": False}, "true": {"low_cpu_mem_usage": True}}
#: Of the config: about 100 MiB in float32, none of the tensors a large part of it.
_LARGE = {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 2}
#: With the option the file is in memory once, not twice: half-way between is the limit.
_AT_MOST = 1.5


@scenario(
    title="peak of memory of a load, with low_cpu_mem_usage and without (100 MiB of weights)",
    params={"low_cpu_mem_usage": tuple(_OPTIONS), "format": ("safetensors", "bin")},
    claims=("C2.3",),
)
def peak_memory(cell: Cell, low_cpu_mem_usage: str, format: str) -> None:
    """Memory that is resident at most, from the load to the first answer, in halves of the file's size.

    Pages of the file that are mapped count too: they are resident, although the system may drop them. A limit is
    set only where the option is true; how much the others take is told by the facts.
    """
    import torch

    from scenarios.common import memory, models, verify
    from scenarios.common.references import llama
    from scenarios.llama import _try

    memory.keep_no_freed_blocks()
    made = models.llama(cell.directory / "checkpoint", sizes=_LARGE, format=format)
    auto = cell.api("AutoModelForCausalLM")
    options = {"torch_dtype": torch.float32, **_OPTIONS[low_cpu_mem_usage]}
    cell.step("warm up")
    small = _try.checkpoint(cell.directory / "small", form=format)
    with torch.no_grad():
        auto.from_pretrained(str(small.path), **options).eval()(input_ids=_try.PROMPTS)
    before = memory.reset_peak()
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), **options).eval()
    with torch.no_grad():
        model(input_ids=_try.PROMPTS)
    used = memory.peak() - before
    cell.fact("peak of memory", f"{memory.halves(used, made)} times the file")
    if low_cpu_mem_usage == "true":
        cell.check("peak of memory", memory.quarters(used, made), _AT_MOST, "times the file, rounded up to a quarter")
    verify.loaded(cell, model, made, dtype="float32")
    verify.forward(cell, model, _try.PROMPTS, llama.logits(made.config, made.tensors, _try.PROMPTS))
