"""MiniGemini's large sizes under a device map: the towers and the mining modules come after the dispatch.

Where memory is scarce, the modules at the end of the model are offloaded, the projector among them. The
package then puts its mining modules "where the projector is", and that is the meta device.
"""

from typing import Any, Sequence

from compatprobe import Cell, scenario

SIZES = ("34b", "8x7b")
#: All on the CPU; half of the layers on disk, with the mining weights in the checkpoint or in a file of
#: their own; two cards that hold everything; two cards with the last layer left on the CPU.
MEMORY = ("cpu", "disk", "disk-own-file", "2-cards", "2-cards+cpu")


def _needs(size: str, memory: str) -> Sequence[str]:
    del size
    return ("virtual-cuda:2",) if memory.startswith("2-cards") else ()


def _load(cell: Cell, size: str, device_map: str, memory: str, package: str = "of-its-day", **options: Any) -> None:
    from scenarios.common import plans
    from scenarios.mini_gemini import _budget, _measure

    made = _measure.prepare(cell, size, package, own_file=memory == "disk-own-file")
    device = "cuda:0" if memory.startswith("2-cards") else "cpu"
    if device_map == "disk":
        options.update(plans.plan("disk", cell.directory, made.language))
    else:
        options.update(_budget.arguments(memory, cell.directory, made.language), device_map=device_map)
    model = _measure.load(cell, made, device=device, **options)
    _budget.came_out(cell, model, memory)
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
    title="MiniGemini: an explicit map that keeps the projector in memory",
    params={"size": SIZES, "memory": ("disk", "disk-own-file")},
    cures=("mini-gemini/device-map",),
)
def device_map_explicit(cell: Cell, size: str, memory: str) -> None:
    """A user's cure: half of the layers on disk by name, everything outside of the layers on the CPU."""
    _load(cell, size, "disk", memory)
