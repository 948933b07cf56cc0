"""google/gemma-3-1b-it: the text model through every class, at every device plan, with padding, decoding."""

from compatprobe import Cell, scenario

CLASSES = ("AutoModelForCausalLM", "Gemma3ForCausalLM", "AutoModel")


def _pruned(cls: str, plan: str, dtype: str) -> bool:
    """Placement and precision have little to do with each other: two plans at the published dtype are enough."""
    del cls
    return dtype != "float32" and plan not in ("plain", "auto")


@scenario(
    title="Gemma 3 (text): weights and logits",
    params={
        "cls": CLASSES,
        "plan": ("plain", "cpu", "auto", "sequential", "disk", "cpu+disk"),
        "dtype": ("float32", "bfloat16"),
    },
    exclude=_pruned,
)
def text(cell: Cell, cls: str, plan: str, dtype: str) -> None:
    """The weights are the file's, and a batch of prompts gives the reference's logits (or last states)."""
    from scenarios.common import verify
    from scenarios.gemma3 import _cells

    made = _cells.checkpoint(cell, "text", dtype)
    model = _cells.load(cell, made, cls, plan, torch_dtype=verify.as_dtype(dtype))
    _cells.check_load(cell, model, made, plan, dtype)
    expected = _cells.text_reference_of(made, dtype, head=_cells.has_head(model))
    verify.forward(cell, model, _cells.prompts(), expected(_cells.prompts()), dtype)


@scenario(
    title="Gemma 3 (text): a batch with padding",
    params={"side": ("left", "right"), "attention": ("default", "eager")},
)
def text_padding(cell: Cell, side: str, attention: str) -> None:
    """Padding on either side changes nothing where there is a token."""
    from scenarios.common import verify
    from scenarios.gemma3 import _cells

    made = _cells.checkpoint(cell, "text", "float32")
    chosen = {} if attention == "default" else {"attn_implementation": attention}
    model = _cells.load(cell, made, "Gemma3ForCausalLM", torch_dtype=verify.as_dtype("float32"), **chosen)
    ids, mask = _cells.padded(side)
    expected = _cells.text_reference_of(made, "float32")(ids, attention_mask=mask)
    verify.forward(cell, model, ids, expected, attention_mask=mask)


@scenario(
    title="Gemma 3 (text): generate",
    params={"cache": ("cached", "uncached"), "batch": ("full", "padded"), "plan": ("plain", "auto", "disk")},
)
def text_generate(cell: Cell, cache: str, batch: str, plan: str) -> None:
    """Greedy decoding, past the sliding window, writes the reference decoder's tokens."""
    from scenarios.common import verify
    from scenarios.gemma3 import _cells

    made = _cells.checkpoint(cell, "text", "float32")
    model = _cells.load(cell, made, "Gemma3ForCausalLM", plan, torch_dtype=verify.as_dtype("float32"))
    _cells.check_load(cell, model, made, plan, "float32")
    ids, mask = _cells.padded("left") if batch == "padded" else (_cells.prompts(), None)
    reference = _cells.text_reference_of(made, "float32")
    verify.generate(
        cell,
        model,
        ids,
        reference,
        cache == "cached",
        new_tokens=8,
        attention_mask=ids.new_ones(ids.shape) if mask is None else mask,
        name="generate",
    )
