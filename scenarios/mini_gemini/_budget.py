"""Budgets of memory for MiniGemini under a device map, and whether the plan that was wanted came out."""

from pathlib import Path
from typing import Any, Dict, Mapping

from torch import Tensor

from compatprobe import Cell
from scenarios.common import plans

#: What each kind of memory must lead to. On one device a version need not keep a map; on two cards it is free
#: to choose (``sequential`` fills the first).
_DEVICES = {
    "cpu": None,
    "disk": ["cpu", "disk"],
    "disk-own-file": ["cpu", "disk"],
    "2-cards": None,
    "2-cards+cpu": ["0", "1", "cpu"],
}


def arguments(memory: str, directory: Path, tensors: Mapping[str, Tensor]) -> Dict[str, Any]:
    """The arguments of ``from_pretrained`` (but for ``device_map``) that leave no more than this memory.

    Args:
        memory: a key of the table above.
        directory: where an offload folder may be made.
        tensors: what the model has a place for.
    """
    if memory.startswith("disk"):
        return plans.plan("cpu+disk", directory, tensors)
    if memory == "cpu":
        # Said aloud, so that a card that happens to be there is not used.
        return {"max_memory": {"cpu": 2 * sum(one.numel() * one.element_size() for one in tensors.values())}}
    return {"max_memory": _two_cards(tensors)} if memory == "2-cards+cpu" else {}


def _two_cards(tensors: Mapping[str, Tensor]) -> Dict[Any, int]:
    """Bytes for two cards that take two of three layers, and for a CPU that takes the rest.

    accelerate keeps room for the largest offloaded module on the first card, and counts buffers too: half
    a layer is left for them.
    """
    sizes = plans.modules(tensors)
    width = next(iter(tensors.values())).element_size()
    layer = max(size for name, size in sizes.items() if ".layers." in name)
    embedding = sizes["model.embed_tokens"]
    first = (embedding + layer + max(layer, embedding) + layer // 2) * width
    return {0: first, 1: (layer + layer // 2) * width, "cpu": sum(sizes.values()) * width * 2}


def came_out(cell: Cell, model: Any, memory: str) -> None:
    """Record the devices of the plan that came out, and check them where a plan was wanted."""
    placed = getattr(model, "hf_device_map", None) or {}
    devices = sorted({str(device) for device in placed.values()})
    cell.fact("plan", {"memory": memory, "devices": devices})
    wanted = _DEVICES[memory]
    if wanted is not None:
        plans.demand(devices, wanted)
