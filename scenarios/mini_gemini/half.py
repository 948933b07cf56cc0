"""MiniGemini in half precision: half the bytes, and the outputs of the rounded weights."""

from compatprobe import Cell, scenario

SIZES = ("2b", "7b", "13b", "34b", "8x7b")


@scenario(
    title="MiniGemini: in float16 and bfloat16",
    params={"size": SIZES, "dtype": ("float16", "bfloat16")},
    claims=("C5.8",),
)
def half(cell: Cell, size: str, dtype: str) -> None:
    """Load a float32 checkpoint with ``torch_dtype``; the parameters take half of its bytes.

    Rounding may choose other experts than the reference does, and the outputs then jump. Here every expert
    has a share in every token, so that outputs can be compared; the choice is measured in float32.
    """
    import torch

    from scenarios.mini_gemini import _measure

    changes = {"num_experts_per_tok": 4} if size == "8x7b" else {}
    made = _measure.prepare(cell, size, "of-its-day", **changes)
    wanted = getattr(torch, dtype)
    model = _measure.load(cell, made, wanted)
    _measure.verified(cell, model, made, wanted)
    full = sum(one.numel() * one.element_size() for one in made.whole.tensors.values())
    cell.fact("parameter bytes", {"file": full, "loaded": _measure.parameter_bytes(model)})
    cell.equal("half of the bytes", _measure.parameter_bytes(model) * 2, full)
    _measure.forward(cell, model, made, wanted)
