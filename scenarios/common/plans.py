"""Device plans: names for the ways in which ``from_pretrained`` is told where to put a model.

A budget must be derived from the plan that is wanted: accelerate places modules in order, never splits a
decoder layer, and keeps room on the first device for the largest module that is offloaded. "Half of the
model" as a budget may therefore leave only the embedding. Whether the plan came out is checked afterwards.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Tuple

if TYPE_CHECKING:
    import torch

    from compatprobe import Cell

#: Plans that need nothing but memory on the CPU.
SIMPLE = ("plain", "cpu", "cpu-map", "auto", "sequential", "balanced", "balanced-low-0")
#: Plans that leave a part on disk: by an explicit map (``disk*``), or by a budget (``cpu+disk``).
OFFLOADED = ("disk", "disk-head", "disk-embedding", "disk-all", "disk-no-folder", "cpu+disk")
#: Plans over two cards: by the free memory, or by budgets that fill them, and then the CPU or the disk.
_FREE_CARDS = ("2-cards-auto", "2-cards-balanced")
CARDS = (*_FREE_CARDS, "2-cards", "2-cards+cpu", "2-cards+disk")
NAMES = SIMPLE + OFFLOADED + CARDS

_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")


def modules(tensors: "Mapping[str, torch.Tensor]", *, head: bool = True) -> Dict[str, int]:
    """The placeable modules of a decoder in execution order, and the number of values in each.

    Args:
        tensors: a decoder's checkpoint, keys ``model.embed_tokens.*``, ``model.layers.<n>.*``, ``model.norm.*``.
        head: true where the class has an output head (names start with ``model.``); false for ``AutoModel``,
            whose names lack the prefix. A head that the file lacks is tied and weighs nothing more.
    """
    sizes: Dict[str, int] = {}
    for key, tensor in tensors.items():
        layer = _LAYER.search(key)
        name = key[: layer.end() - 1] if layer else key.rsplit(".", 1)[0]
        sizes[name] = sizes.get(name, 0) + tensor.numel()
    if head:
        sizes.setdefault("lm_head", 0)
    else:
        sizes = {name.split("model.", 1)[-1]: size for name, size in sizes.items() if name != "lm_head"}
    return dict(sorted(sizes.items(), key=lambda item: _position(item[0])))


def _position(name: str) -> Tuple[int, int]:
    if name.endswith("embed_tokens"):
        return 0, 0
    layer = _LAYER.search(name + ".")
    if layer:
        return 1, int(layer.group(1))
    return (3 if name.endswith("lm_head") else 2), 0


def device_map(name: str, sizes: Mapping[str, int]) -> Dict[str, str]:
    """The explicit map of a ``disk*`` plan over the modules that :func:`modules` lists; the rest is on the CPU."""
    layers = [module for module in sizes if _position(module)[0] == 1]
    on_disk = {
        "disk": layers[len(layers) // 2 :],
        "disk-no-folder": layers[len(layers) // 2 :],
        "disk-head": [module for module in sizes if module.endswith("lm_head")],
        "disk-embedding": [module for module in sizes if module.endswith("embed_tokens")],
        "disk-all": list(sizes),
    }[name]
    return {module: "disk" if module in on_disk else "cpu" for module in sizes}


def cpu_budget(sizes: Mapping[str, int], itemsize: int) -> int:
    """Bytes of CPU memory that hold the embedding and the first half of the layers, and no more.

    The room that accelerate keeps for the largest offloaded module comes on top, and half a layer for
    buffers, which it counts too.
    """
    layers = [size for module, size in sizes.items() if _position(module)[0] == 1]
    embedding = sum(size for module, size in sizes.items() if _position(module)[0] == 0)
    kept = embedding + sum(layers[: len(layers) // 2])
    return (kept + max(sizes.values()) + layers[0] // 2) * itemsize


def card_budgets(sizes: Mapping[str, int], itemsize: int, name: str) -> Dict[Any, int]:
    """Bytes for the cards, in order: the first holds the embedding and a layer, the second the rest or a layer.

    On the first card (and on the CPU, where something is on disk) accelerate keeps room for the largest module.
    """
    layers = [size for module, size in sizes.items() if _position(module)[0] == 1]
    embedding = sum(size for module, size in sizes.items() if _position(module)[0] == 0)
    largest, slack = max(sizes.values()), layers[0] // 2
    budgets: Dict[Any, int] = {0: embedding + layers[0] + largest + slack, 1: 2 * sum(sizes.values())}
    if name != "2-cards":
        budgets[1] = layers[0] + slack
        # The head (or an embedding that the head is tied to) does not fit beside a layer on the second card.
        budgets["cpu"] = 4 * sum(sizes.values()) if name == "2-cards+cpu" else 0
    return {device: budget * itemsize for device, budget in budgets.items()}


def needs(name: str) -> Tuple[str, ...]:
    """What a plan needs of the machine."""
    return ("virtual-cuda:2",) if name in CARDS else ()


def plan(
    name: str,
    directory: Path,
    tensors: "Optional[Mapping[str, torch.Tensor]]" = None,
    *,
    head: bool = True,
    itemsize: Optional[int] = None,
    sizes: Optional[Mapping[str, int]] = None,
) -> Dict[str, Any]:
    """The keyword arguments of ``from_pretrained`` for a plan.

    Args:
        name: one of :data:`NAMES`.
        directory: where an offload folder may be made.
        tensors: the checkpoint's tensors; needed for the plans of :data:`OFFLOADED`, and for those with budgets.
        head: see :func:`modules`.
        itemsize: bytes of a value as it is loaded; that of the checkpoint where not given.
        sizes: what :func:`modules` would give, for a model that is laid out otherwise.

    Raises:
        ValueError: the name is not known, or the plan needs ``tensors``.
    """
    if name not in NAMES:
        raise ValueError(f"device plan {name!r}: not one of {', '.join(NAMES)}")
    if name == "plain":
        return {}
    if name in SIMPLE or name in _FREE_CARDS:
        chosen = name.replace("2-cards-", "").replace("-", "_")
        return {"device_map": {"": "cpu"} if name == "cpu-map" else chosen}
    if tensors is None:
        raise ValueError(f"device plan {name!r}: its budget is derived from the checkpoint's tensors")
    layout = dict(sizes) if sizes is not None else modules(tensors, head=head)
    folder = {} if name == "disk-no-folder" else {"offload_folder": str(directory / "offload")}
    width = itemsize or next(iter(tensors.values())).element_size()
    if name in CARDS:
        disk = folder if name == "2-cards+disk" else {}
        return {"device_map": "sequential", "max_memory": card_budgets(layout, width, name), **disk}
    if name == "cpu+disk":
        return {"device_map": "auto", "max_memory": {"cpu": cpu_budget(layout, width)}, **folder}
    return {"device_map": device_map(name, layout), **folder}


def wanted(name: str) -> Optional[List[str]]:
    """The devices that a plan must end up with, sorted; None where the version is free to choose."""
    if name == "disk-all":
        return ["disk"]
    if name in OFFLOADED:
        return ["cpu", "disk"]
    return ["0", "1", *name.split("+")[1:]] if name in CARDS else None


class PlanError(Exception):
    """The device plan that a scenario is about did not come out: the scenario says nothing about the version."""


def demand(devices: List[str], expected: List[str]) -> None:
    """Raise :class:`PlanError` where a model did not come to lie on the devices that are wanted (sorted)."""
    if devices != expected:
        raise PlanError(f"wanted parts on {', '.join(expected)}; they are on {', '.join(devices) or 'no device'}")


def came_out(cell: "Cell", model: "torch.nn.Module", name: str) -> None:
    """Record the device map that came out, and check that a plan with a part on disk really has one."""
    placed: Mapping[str, Any] = getattr(model, "hf_device_map", None) or {}
    devices = sorted({str(device) for device in placed.values()})
    cell.fact("plan", {"asked": name, "devices": devices})
    expected = wanted(name)
    if expected is not None:
        demand(devices, expected)
