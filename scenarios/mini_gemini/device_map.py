"""MiniGemini's large sizes under a device map: the towers and the mining modules come after the dispatch.

Where memory is scarce, the modules at the end of the model are offloaded, the projector among them. The
package then puts its mining modules "where the projector is", and that is the meta device.
"""

from typing import Any, Sequence

from compatprobe import Cell, scenario

SIZES = ("34b", "8x7b")
#: All on the CPU; half of the layers on disk, with the mining weights in the checkpoint or in a file of their own; two
#: virtual cards that hold everything, or all but the last layer; and budgets in proportion to cards of 24 and 80 GiB
#: under the real sizes, the rest on the CPU.
MEMORY = ("cpu", "disk", "disk-own-file", "2-cards", "2-cards+cpu", "2x24", "3x24", "2x80")


def _needs(size: str, memory: str) -> Sequence[str]:
    del size
    return (f"virtual-cuda:{memory[0]}",) if memory[0].isdigit() else ()


def _load(cell: Cell, size: str, device_map: str, memory: str, package: str = "of-its-day", **options: Any) -> None:
    from scenarios.common import plans
    from scenarios.mini_gemini import _budget, _measure

    deep = _budget.is_scaled(memory)
    made = _measure.prepare(cell, size, package, own_file=memory == "disk-own-file", deep=deep)
    device = "cuda:0" if _budget.virtual_cards(memory) else "cpu"
    if device_map != "by-hand":
        options.update(_budget.arguments(memory, size, cell.directory, made.language), device_map=device_map)
    elif _budget.virtual_cards(memory):
        options.update(device_map=_budget.by_hand(memory, made.language))
    else:
        options.update(plans.plan("disk", cell.directory, made.language))
    dispatched = _budget.Dispatched(cell, memory, size, options)
    model = _measure.load(cell, made, device=device, dispatched=dispatched, **options)
    # First what a user would see; a tensor that is on meta may raise there, or go unnoticed.
    _measure.forward(cell, model, made, device=device)
    _measure.verified(cell, model, made)


@scenario(
    title="MiniGemini: device_map='auto'",
    params={"size": SIZES, "memory": MEMORY},
    needs=_needs,
    claims=("C5.5",),
)
def device_map(cell: Cell, size: str, memory: str) -> None:
    """``auto``, with memory enough for everything, and with less."""
    _load(cell, size, "auto", memory)


@scenario(
    title="MiniGemini: device_map='sequential'",
    params={"size": SIZES, "memory": MEMORY},
    needs=_needs,
    claims=("C5.6",),
    cures=("mini-gemini/device-map",),
)
def device_map_sequential(cell: Cell, size: str, memory: str) -> None:
    """The published cure: the same with ``sequential``, under the same budgets."""
    _load(cell, size, "sequential", memory)


@scenario(
    title="MiniGemini: device_map='auto', mining modules beside the towers",
    params={"size": SIZES, "memory": MEMORY},
    needs=_needs,
    cures=("mini-gemini/device-map",),
)
def device_map_beside_towers(cell: Cell, size: str, memory: str) -> None:
    """A maintainer's cure: the mining modules go where the towers are, never to the meta device.

    The package is the one ported to transformers 5 (``forward-ported``), which changes nothing before it.
    """
    _load(cell, size, "auto", memory, "ported", beside="towers")


@scenario(
    title="MiniGemini: an explicit map that keeps the projector with the towers",
    params={"size": SIZES, "memory": ("disk", "disk-own-file", "2-cards", "3-cards")},
    needs=_needs,
    cures=("mini-gemini/device-map",),
)
def device_map_explicit(cell: Cell, size: str, memory: str) -> None:
    """A user's cure: layers on disk by name, or spread over the cards; the projector where the towers are."""
    _load(cell, size, "by-hand", memory)
