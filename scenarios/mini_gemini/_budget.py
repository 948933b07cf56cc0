"""Budgets of memory for MiniGemini under a device map, and whether the plan that was wanted came out."""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from torch import Tensor

from compatprobe import Cell
from scenarios.common import cards, layout, placed, plans

#: What each kind of memory must lead to. On one device a version need not keep a map; on cards that hold everything
#: it is free to choose (``sequential`` fills the first).
_DEVICES: Dict[str, Optional[List[str]]] = {
    "cpu": None,
    "disk": ["cpu", "disk"],
    "disk-own-file": ["cpu", "disk"],
    "2-cards": None,
    "2-cards+cpu": ["0", "1", "cpu"],
    "3-cards": None,
    "2x24": ["0", "1", "cpu"],
    "2x80": None,
    "34b on 3x24": ["0", "1", "2"],
    "8x7b on 3x24": ["0", "1", "2", "cpu"],
}
#: What the published sizes weigh, in GiB: 34.4 (Yi, 2403.04652) and 46.7 (Mixtral, 2401.04088) billion numbers of
#: two bytes. A budget such as ``2x24`` is the same part of the small model as 24 GiB are of the real one.
_GIB = {"34b": 64.1, "8x7b": 87.0}


def virtual_cards(memory: str) -> int:
    """How many virtual cards a kind of memory has; 0 where it has none."""
    return int(memory[0]) if memory[0].isdigit() else 0


def is_scaled(memory: str) -> bool:
    """Whether the budgets are in proportion to real cards: ``2x24``."""
    return "x" in memory


def arguments(memory: str, size: str, directory: Path, tensors: Mapping[str, Tensor]) -> Dict[str, Any]:
    """The arguments of ``from_pretrained`` (but for ``device_map``) that leave no more than this memory.

    Args:
        memory: a key of the table above, without the size.
        size: of MiniGemini.
        directory: where an offload folder may be made.
        tensors: what the model has a place for.
    """
    if memory.startswith("disk"):
        return plans.plan("cpu+disk", directory, tensors)
    held = sum(one.numel() * one.element_size() for one in tensors.values())
    if memory == "cpu":
        # Said aloud, so that a card that happens to be there is not used.
        return {"max_memory": {"cpu": 2 * held}}
    if is_scaled(memory):
        count, gib = memory.split("x")
        limits: Dict[Any, int] = {card: int(held * int(gib) / _GIB[size]) for card in range(int(count))}
        return {"max_memory": {**limits, "cpu": 2 * held}}
    return {"max_memory": _two_cards(tensors)} if memory == "2-cards+cpu" else {}


def by_hand(memory: str, tensors: Mapping[str, Tensor]) -> Dict[str, int]:
    """A map over two or three cards, the layers in even parts, and all that the towers' outputs meet on the first."""
    found = cards.place(memory + "-map", layout.modules(tensors))
    return {name: 0 if "mm_projector" in name else int(card) for name, card in found.items()}


def _two_cards(tensors: Mapping[str, Tensor]) -> Dict[Any, int]:
    """Bytes for two cards that take two of three layers, and for a CPU that takes the rest.

    accelerate keeps room for the largest offloaded module on the first card, and counts buffers too: half
    a layer is left for them.
    """
    sizes = layout.modules(tensors)
    width = next(iter(tensors.values())).element_size()
    layer = max(size for name, size in sizes.items() if ".layers." in name)
    embedding = sizes["model.embed_tokens"]
    first = (embedding + layer + max(layer, embedding) + layer // 2) * width
    return {0: first, 1: (layer + layer // 2) * width, "cpu": sum(sizes.values()) * width * 2}


class Dispatched:
    """What must hold when the language model is loaded and the vision parts are not there yet.

    Make it before the load. On virtual cards: the budgets are kept, every parameter is where the map says, and a
    version that is free to choose uses cards only.
    """

    def __init__(self, cell: Cell, memory: str, size: str, options: Mapping[str, Any]) -> None:
        self._cell = cell
        self._wanted = _DEVICES[f"{size} on {memory}" if memory == "3x24" else memory]
        self._memory = memory
        self._budgets = placed.Budgets(options) if virtual_cards(memory) else None
        asked = options.get("device_map")
        if isinstance(asked, dict):
            self._wanted = sorted({placed.short(device) for device in asked.values()})

    def __call__(self, model: Any) -> None:
        """Record the devices of the plan that came out, and check them where a plan was wanted."""
        said = getattr(model, "hf_device_map", None) or {}
        devices = sorted({placed.short(device) for device in said.values()})
        self._cell.fact("plan", {"memory": self._memory, "devices": devices})
        if self._wanted is not None:
            plans.demand(devices, self._wanted)
        if self._budgets is not None:
            self._budgets.check(self._cell, model)
            placed.check(self._cell, model, self._budgets.asked)
            if self._wanted is None:
                plans.demand_cards(model)
