"""google/gemma-3-4b-it: SigLIP, the projector and the text model; pictures in the prompt."""

from compatprobe import Cell, scenario


def _pruned(cls: str, plan: str, dtype: str) -> bool:
    """Placement and precision have little to do with each other: two plans at the published dtype are enough."""
    del cls
    return dtype != "float32" and plan not in ("plain", "auto")


@scenario(
    title="Gemma 3 (pictures): weights and logits",
    params={
        "cls": ("Gemma3ForConditionalGeneration", "AutoModelForImageTextToText", "AutoModel"),
        "plan": ("plain", "cpu", "auto", "sequential", "cpu+disk"),
        "dtype": ("float32", "bfloat16"),
    },
    exclude=_pruned,
)
def multimodal(cell: Cell, cls: str, plan: str, dtype: str) -> None:
    """The weights are the file's; a prompt with a picture, and one without, give the reference's outputs."""
    from scenarios.common import verify
    from scenarios.gemma3 import _cells

    made = _cells.checkpoint(cell, "multimodal", dtype)
    model = _cells.load(cell, made, cls, plan, torch_dtype=verify.as_dtype(dtype))
    _cells.check_load(cell, model, made, plan, dtype)
    head = _cells.has_head(model)
    expected = _cells.text_reference_of(made, dtype, head=head)
    verify.forward(cell, model, _cells.prompts(), expected(_cells.prompts()), dtype, name="forward-text")
    ids, types = _cells.picture_prompt(made)
    pixels = _cells.pixels(made, dtype)
    wanted = _cells.picture_reference_of(made, dtype, pixels, head=head)(ids)
    verify.forward(cell, model, ids, wanted, dtype, pixel_values=pixels, token_type_ids=types, name="forward-picture")


@scenario(
    title="Gemma 3 (pictures): which tokens see each other",
    params={"pictures": ("one", "two"), "types": ("typed", "untyped")},
)
def multimodal_mask(cell: Cell, pictures: str, types: str) -> None:
    """Which reading of the attention among image tokens a version follows.

    ``typed``: the call says where the pictures are (``token_type_ids``), as the processor does. Then tokens
    of one picture see each other, and no picture sees a later one, as in Google's own code
    (transformers#38053, transformers#39389). ``untyped``: the call does not say it, nothing published
    settles what then holds, and either reading is accepted.
    """
    from scenarios.common import verify
    from scenarios.gemma3 import _cells

    made = _cells.checkpoint(cell, "multimodal", "float32")
    model = _cells.load(cell, made, "Gemma3ForConditionalGeneration", torch_dtype=verify.as_dtype("float32"))
    count = 1 if pictures == "one" else 2
    _cells.check_reading(cell, model, made, count, typed=types == "typed")


@scenario(title="Gemma 3 (pictures): generate", params={"cache": ("cached", "uncached"), "plan": ("plain", "auto")})
def multimodal_generate(cell: Cell, cache: str, plan: str) -> None:
    """Greedy decoding after a picture writes the reference decoder's tokens."""
    from scenarios.common import verify
    from scenarios.gemma3 import _cells

    made = _cells.checkpoint(cell, "multimodal", "float32")
    model = _cells.load(cell, made, "Gemma3ForConditionalGeneration", plan, torch_dtype=verify.as_dtype("float32"))
    ids, types = _cells.picture_prompt(made)
    pixels = _cells.pixels(made, "float32")
    reference = _cells.picture_reference_of(made, "float32", pixels)
    verify.generate(
        cell,
        model,
        ids,
        reference,
        cache == "cached",
        new_tokens=8,
        attention_mask=ids.new_ones(ids.shape),
        name="generate",
        pixel_values=pixels,
        token_type_ids=types,
    )


@scenario(
    title="Gemma 3 (pictures): the checkpoint through a text class",
    params={"cls": ("AutoModelForCausalLM", "Gemma3ForCausalLM"), "plan": ("plain", "auto")},
)
def multimodal_text_only(cell: Cell, cls: str, plan: str) -> None:
    """Which class comes out, and whether it really has the file's text weights (its config is nested)."""
    from scenarios.common import verify
    from scenarios.gemma3 import _cells

    made = _cells.checkpoint(cell, "multimodal", "float32")
    model = _cells.load_telling(cell, made, cls, plan, torch_dtype=verify.as_dtype("float32"))
    _cells.check_load(cell, model, made, plan, "float32")
    expected = _cells.text_reference_of(made, "float32", head=_cells.has_head(model))
    verify.forward(cell, model, _cells.prompts(), expected(_cells.prompts()))
