"""transformers#36766: ``Gemma3ForCausalLM.from_pretrained(id, device_map="auto")``, and the cure."""

from typing import Sequence

from compatprobe import Cell, scenario

PARAMS = {
    "checkpoint": ("text", "multimodal"),
    "devices": ("cpu", "cuda", "virtual-cuda:2", "virtual-cuda:3"),
}


def _needs(checkpoint: str, devices: str) -> Sequence[str]:
    del checkpoint
    return () if devices == "cpu" else (devices,)


def _reported(cell: Cell, checkpoint: str, device_map: str) -> None:
    from scenarios.common import verify
    from scenarios.gemma3 import _cells

    made = _cells.checkpoint(cell, checkpoint, "bfloat16")
    # The call as reported: no dtype. A version may load in float32 or as stored; the values are the same.
    model = _cells.load(cell, made, "Gemma3ForCausalLM", device_map)
    _cells.check_load(cell, model, made, device_map, None)
    dtype = _cells.computes_in(model)
    cell.fact("dtype", dtype)
    ids = _cells.prompts()
    expected = _cells.text_reference_of(made, dtype)(ids)
    verify.forward(cell, model, ids.to(_cells.reads_on(model)), expected, dtype)


@scenario(
    title='Gemma3ForCausalLM with device_map="auto"',
    params=PARAMS,
    needs=_needs,
    claims=("C1.1", "C1.2"),
)
def device_map_auto(cell: Cell, checkpoint: str, devices: str) -> None:
    """The report's own line, for both kinds of checkpoint: it is said to raise about the meta device.

    ``devices`` is what the machine has; the report was made on one with cards.
    """
    del devices
    _reported(cell, checkpoint, "auto")


@scenario(
    title="Gemma3ForCausalLM on the CPU instead",
    params=PARAMS,
    needs=_needs,
    claims=("C1.3",),
    cures=("gemma3/device-map-auto*",),
)
def device_map_cpu(cell: Cell, checkpoint: str, devices: str) -> None:
    """The cure given for the report: ``device_map="cpu"``, whatever cards there are."""
    del devices
    _reported(cell, checkpoint, "cpu")
