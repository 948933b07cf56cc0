"""Who wrote the checkpoint, and who reads it: the newest layout of keys, and what a version saves itself."""

from compatprobe import Cell, scenario

_CLASSES = {"text": "Gemma3ForCausalLM", "multimodal": "Gemma3ForConditionalGeneration"}


@scenario(
    title="Gemma 3 (pictures): a checkpoint whose keys are written as newer versions name them",
    name="newest-layout",
    params={"cls": ("Gemma3ForConditionalGeneration", "AutoModelForImageTextToText"), "plan": ("plain", "auto")},
)
def newest_layout(cell: Cell, cls: str, plan: str) -> None:
    """``model.language_model.*`` in place of the published ``language_model.model.*``, values unchanged."""
    from dataclasses import replace

    from scenarios.common import verify
    from scenarios.common.checkpoint import write_checkpoint
    from scenarios.gemma3 import _cells

    made = _cells.checkpoint(cell, "multimodal", "float32")
    renamed = {"model." + key.replace("language_model.model.", "language_model."): t for key, t in made.tensors.items()}
    written = write_checkpoint(cell.directory / "newest", made.config, renamed)
    model = _cells.load_telling(cell, replace(made, path=written.path), cls, plan)
    verify.loaded(cell, model, made)
    ids, types = _cells.picture_prompt(made)
    pixels = _cells.pixels(made, "float32")
    wanted = _cells.picture_reference_of(made, "float32", pixels)(ids)
    verify.forward(cell, model, ids, wanted, "float32", pixel_values=pixels, token_type_ids=types)


@scenario(title="Gemma 3: save_pretrained, then from_pretrained", name="resave", params={"kind": tuple(_CLASSES)})
def resave(cell: Cell, kind: str) -> None:
    """What a version writes it must read; the keys that it writes are recorded, for others may have to read them."""
    from dataclasses import replace

    from scenarios.common import verify
    from scenarios.gemma3 import _cells
    from scenarios.llama import _try

    made = _cells.checkpoint(cell, kind, "float32")
    model = _cells.load(cell, made, _CLASSES[kind])
    cell.step("save_pretrained")
    saved = cell.directory / "saved"
    model.save_pretrained(str(saved))
    keys = _try.read_files(saved)
    cell.fact("saved_under", sorted({".".join(key.split(".")[:2]) for key in keys}))
    again = _cells.load(cell, replace(made, path=saved), _CLASSES[kind])
    verify.loaded(cell, again, made)
    reference = _cells.text_reference_of(made, "float32")
    verify.forward(cell, again, _cells.prompts(), reference(_cells.prompts()), "float32")
