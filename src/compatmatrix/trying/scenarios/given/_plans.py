"""Device plans for any architecture, with budgets from the file's tensors."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Tuple

import torch

from compatprobe import Skip
from scenarios.common import placed

from . import _asked

if TYPE_CHECKING:
    from compatprobe import Cell

    from ._files import Files

_BLOCK = re.compile(r"^(.*?\.\d+)\.")
#: Plans that need nothing but a name.
_NAMED = ("cpu", "auto", "sequential", "balanced")
#: What must be among the devices afterwards.
_WANTED = {"cpu+disk": ("disk",), "2-cards": ("0", "1"), "2-cards+cpu": ("0", "cpu"), "2-cards+disk": ("0", "disk")}


def arguments(plan: str, files: "Files", directory: Path) -> Dict[str, Any]:
    """The keyword arguments of ``from_pretrained``; half of the model fits where a plan asks for a split."""
    if plan in _NAMED:
        return {"device_map": plan}
    if plan == "cuda":
        return {"device_map": "cuda:0"}
    total, largest = _weighed(files)
    # accelerate keeps room for the largest block that is still to come on the first device.
    half, rest = total // 2 + largest, 8 * total
    folder = {"offload_folder": str(directory / "offload")}
    memory: Dict[str, Dict[Any, int]] = {
        "cpu+disk": {"cpu": half},
        "2-cards": {0: half, 1: rest, "cpu": 0},
        "2-cards+cpu": {0: half, 1: 0, "cpu": rest},
        "2-cards+disk": {0: half, 1: 0, "cpu": 0},
    }
    kind = "auto" if plan == "cpu+disk" else "sequential"
    return {"device_map": kind, "max_memory": memory[plan], **(folder if "disk" in plan else {})}


def _weighed(files: "Files") -> Tuple[int, int]:
    """Bytes of all tensors as they are loaded, and of the largest block: what is numbered is not split."""
    width = torch.finfo(getattr(torch, _asked.STORED)).bits // 8
    blocks: Dict[str, int] = {}
    for name in files.names:
        tensor = files[name]
        found = _BLOCK.match(name)
        block = found.group(1) if found else name
        blocks[block] = blocks.get(block, 0) + tensor.numel() * (width if tensor.is_floating_point() else 8)
    return sum(blocks.values()), max(blocks.values(), default=0)


def came_out(cell: "Cell", model: torch.nn.Module, plan: str) -> None:
    """Record where the parameters came to lie.

    Raises:
        Skip: not where the plan wants them: nothing was tried then.
    """
    devices: List[str] = sorted(set(placed.where(model).values()))
    cell.fact("plan", {"asked": plan, "devices": devices})
    lacking = [device for device in _WANTED.get(plan, ()) if device not in devices]
    if lacking:
        raise Skip(f"the budgets did not bring about the plan {plan}: nothing is on {', '.join(lacking)}")
