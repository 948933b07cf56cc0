"""The map that a version chooses for the checkpoint, against the tensors that its files say they hold."""

from typing import TYPE_CHECKING, Any, Dict, List, Mapping

from scenarios.placement import _blocks, _maps

from . import _asked, _load, _tensors
from ._target import TARGET

if TYPE_CHECKING:
    from compatprobe import Cell

#: Tensor -> its shape, as the headers of the files say; empty where they were not read.
SHAPES: Mapping[str, List[int]] = TARGET.get("shapes", {})


def check(cell: "Cell", cards: str) -> None:
    """Let the version choose, and check and record the map.

    Args:
        cards: such as ``2x80``: two cards of 80 GiB.
    """
    _load.known(cell)
    memory: Dict[Any, int] = {**dict(enumerate(_blocks.cards(cards))), "cpu": TARGET.get("room", 0)}
    config = {**_asked.CONFIG, "torch_dtype": _asked.STORED, "architectures": [_asked.PRIMARY]}
    chosen = _maps.choose(cell, config, "auto", memory)
    cell.step("check the map")
    parameters = dict(chosen.model.named_parameters(remove_duplicate=False))
    _shapes(cell, chosen.model, parameters)
    on: Dict[str, List[str]] = {name: _devices(name, chosen.devices) for name in parameters}
    _count(cell, "nothing left out", [name for name, devices in on.items() if len(devices) != 1])
    used: Dict[str, int] = {}
    seen = set()
    for name, tensor in parameters.items():
        if id(tensor) not in seen:
            seen.add(id(tensor))
            for device in on[name]:
                used[device] = used.get(device, 0) + tensor.numel() * tensor.element_size()
    limits = {str(device): size for device, size in memory.items()}
    over = {device: used.get(device, 0) - limit for device, limit in limits.items()}
    _count(cell, "budgets kept", [f"{device}: {bytes_} too many" for device, bytes_ in over.items() if bytes_ > 0])
    cell.fact("placement", {device: f"{size / _blocks.GIB:.1f} GiB" for device, size in sorted(used.items())})


def _shapes(cell: "Cell", model: Any, parameters: Mapping[str, Any]) -> None:
    named = _tensors.placed(model, list(SHAPES), list(parameters))
    wrong = [
        f"{name}: {tuple(parameters[name].shape)}, in the file {tuple(SHAPES[key])}"
        for key, name in named.items()
        if list(parameters[name].shape) != list(SHAPES[key])
    ]
    if SHAPES:
        _count(cell, "shapes as in the file", wrong)
        cell.fact("names with a place", f"{len(named)} of {len(SHAPES)}")


def _devices(name: str, devices: Mapping[str, str]) -> List[str]:
    return [device for key, device in devices.items() if key in ("", name) or name.startswith(key + ".")]


def _count(cell: "Cell", name: str, wrong: List[str]) -> None:
    cell.check(name, len(wrong), 0, "; ".join(wrong[:4]) + ("; ..." if len(wrong) > 4 else ""))
