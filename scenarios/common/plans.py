"""Device plans: names for the ways in which ``from_pretrained`` is told where to put a model.

A budget must be derived from the plan that is wanted: accelerate places modules in order, never splits a
decoder layer, and keeps room on the first device for the largest module that is offloaded. "Half of the
model" as a budget may therefore leave only the embedding. Whether the plan came out is checked afterwards.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional

from scenarios.common import cards, layout, placed

if TYPE_CHECKING:
    import torch

    from compatprobe import Cell

#: Plans that need nothing but memory on the CPU.
SIMPLE = ("plain", "cpu", "cpu-map", "auto", "sequential", "balanced", "balanced-low-0")
#: Plans that leave a part on disk: by an explicit map (``disk*``), or by a budget (``cpu+disk``).
OFFLOADED = ("disk", "disk-head", "disk-embedding", "disk-all", "disk-no-folder", "cpu+disk")
NAMES = SIMPLE + OFFLOADED + cards.NAMES


def device_map(name: str, sizes: Mapping[str, int]) -> Dict[str, str]:
    """The explicit map of a ``disk*`` plan over the modules of :mod:`layout`; the rest is on the CPU."""
    layers = layout.layers(sizes)
    on_disk = {
        "disk": layers[len(layers) // 2 :],
        "disk-no-folder": layers[len(layers) // 2 :],
        "disk-head": [module for module in sizes if layout.is_head(module)],
        "disk-embedding": layout.embeddings(sizes),
        "disk-all": list(sizes),
    }[name]
    return {module: "disk" if module in on_disk else "cpu" for module in sizes}


def cpu_budget(sizes: Mapping[str, int], itemsize: int) -> int:
    """Bytes of CPU memory that hold the embedding and the first half of the layers, and no more.

    The room that accelerate keeps for the largest offloaded module comes on top, and half a layer for
    buffers, which it counts too.
    """
    layers = [sizes[module] for module in layout.layers(sizes)]
    embedding = sum(sizes[module] for module in layout.embeddings(sizes))
    kept = embedding + sum(layers[: len(layers) // 2])
    return (kept + max(sizes.values()) + layers[0] // 2) * itemsize


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
        head: see :func:`scenarios.common.layout.modules`.
        itemsize: bytes of a value as it is loaded; that of the checkpoint where not given.
        sizes: what it would give, for a model that is laid out otherwise.

    Raises:
        ValueError: the name is not known, or the plan needs ``tensors``.
    """
    if name not in NAMES:
        raise ValueError(f"device plan {name!r}: not one of {', '.join(NAMES)}")
    if name == "plain":
        return {}
    if name in SIMPLE:
        return {"device_map": {"": "cpu"} if name == "cpu-map" else name.replace("-", "_")}
    if tensors is None:
        raise ValueError(f"device plan {name!r}: its budget is derived from the checkpoint's tensors")
    known = dict(sizes) if sizes is not None else layout.modules(tensors, head=head)
    folder = {} if name == "disk-no-folder" else {"offload_folder": str(directory / "offload")}
    width = itemsize or next(iter(tensors.values())).element_size()
    if name in cards.NAMES:
        return cards.arguments(name, known, width, folder)
    if name == "cpu+disk":
        return {"device_map": "auto", "max_memory": {"cpu": cpu_budget(known, width)}, **folder}
    return {"device_map": device_map(name, known), **folder}


def wanted(name: str) -> Optional[List[str]]:
    """The devices that a plan must end up with, sorted; None where the version is free to choose."""
    if name in cards.NAMES:
        return cards.wanted(name)
    if name == "disk-all":
        return ["disk"]
    return ["cpu", "disk"] if name in OFFLOADED else None


class PlanError(Exception):
    """The device plan that a scenario is about did not come out: the scenario says nothing about the version."""


def demand(devices: List[str], expected: List[str]) -> None:
    """Raise :class:`PlanError` where a model did not come to lie on the devices that are wanted (sorted)."""
    if devices != expected:
        raise PlanError(f"wanted parts on {', '.join(expected)}; they are on {', '.join(devices) or 'no device'}")


def came_out(cell: "Cell", model: "torch.nn.Module", name: str, asked: Any = None) -> None:
    """Record the device map that came out, and check that it has the parts that a plan is about.

    Args:
        asked: the ``device_map`` that was given; over cards it is what is checked against (:func:`over_cards`).

    Raises:
        PlanError: it has not.
    """
    said: Mapping[str, Any] = getattr(model, "hf_device_map", None) or {}
    devices = sorted({placed.short(device) for device in said.values()})
    cell.fact("plan", {"asked": name, "devices": devices})
    expected = wanted(name)
    if expected is not None:
        demand(devices or placed.devices(model), expected)
    if name in cards.NAMES:
        over_cards(cell, model, name, asked)


def over_cards(cell: "Cell", model: "torch.nn.Module", name: str, asked: Any) -> None:
    """Check a plan over cards by where the parameters are, whatever the model's own map says.

    Each must be where the map that was asked for puts it, and each device must hold the layers that the plan wants.

    Args:
        asked: the ``device_map``, as :func:`scenarios.common.placed.check` takes it.

    Raises:
        PlanError: the version was free to choose, with room on the cards for everything, and used something else.
    """
    placed.check(cell, model, asked)
    numbers = {layout.layer_of(name) for name, _ in model.named_parameters()} - {None}
    expected = cards.layers(name, len(numbers))
    if expected is None:
        demand_cards(model)
    else:
        cell.equal("layers on each device", placed.layers(model), expected)


def demand_cards(model: "torch.nn.Module") -> None:
    """Raise :class:`PlanError` where a parameter is on no card."""
    others = sorted({device for device in placed.where(model).values() if not device.isdigit()})
    if others:
        raise PlanError(f"wanted nothing but cards; parts are on {', '.join(others)}")
