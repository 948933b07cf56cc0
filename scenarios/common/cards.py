"""Device plans over two or three cards: what is wanted on each, and the budgets or the map that bring it about.

The cards are virtual CUDA devices; the probe says so among the facts of each cell that needs them.

A budget follows from the plan that is wanted. accelerate places modules in order and never goes back to a device;
it never splits a decoder layer; on the first card, and on the CPU behind it, it keeps room for the largest module
that is still to be placed; a tied head goes where the embedding goes, and weighs nothing. Each budget lies half-way
between what its share needs and what one module more would need, which leaves as much for buffers as can be.
"""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from scenarios.common import layout

#: Layers for each device in order; None: the rest. What comes before the layers goes with the first that has any.
Shares = Dict[str, Optional[int]]

#: Device maps that are only named: all memory is free, and the version chooses.
_FREE = ("auto", "balanced", "balanced-low-0", "sequential")
#: Explicit maps, all with an even split: by number; by name; the head apart from the embedding, else with it; without
#: the rotary module, which models before transformers 4.45 do not have, and maps written for them do not name.
_MAPS = ("map", "map-named", "map-older", "split-tie", "split-tie-named")
#: The second card only: ``{"": 1}``, ``{"": "cuda:1"}`` and ``"cuda:1"`` itself.
_SECOND: Dict[str, Any] = {"second": {"": 1}, "second-named": {"": "cuda:1"}, "second-string": "cuda:1"}
#: By budgets. ``small-N``: card N is too small for one layer. ``full``: nothing is said, but the cards are nearly full.
_BUDGETS = ("", "even", "+cpu", "+disk", "full+cpu")
_SOME = {2: ("+cpu+disk", "small-0", "small-1+cpu", "small-1+disk"), 3: ("small-0", "small-1", "small-1+disk")}


def _names(count: int) -> List[str]:
    kinds = (*_FREE, *_BUDGETS, *_SOME[count], *_MAPS, *(_SECOND if count == 2 else ()))
    return [f"{count}-cards" + (kind if kind[:1] in ("", "+") else f"-{kind}") for kind in kinds]


NAMES = (*_names(2), *_names(3))


def parts(name: str) -> Tuple[int, str]:
    """The number of cards, and the kind of plan: ``2-cards-small-0`` -> (2, "small-0")."""
    return int(name[0]), name[len("2-cards") :].lstrip("-")


def needs(plan: str, **_: str) -> Tuple[str, ...]:
    """What a plan needs of the machine, nothing where it is none of these: the ``needs`` of a scenario."""
    return (f"virtual-cuda:{parts(plan)[0]}",) if plan in NAMES else ()


def shares(name: str, count_of_layers: int) -> Optional[Shares]:
    """How many layers each device is to hold; None where the version chooses."""
    count, kind = parts(name)
    cards = [str(card) for card in range(count)]
    if kind in _SECOND:
        return {"1": None}
    if kind in _FREE:
        return None
    if kind == "even" or kind in _MAPS:
        ends = [round(count_of_layers * (card + 1) / count) for card in range(count)]
        even: Shares = {card: end - start for card, start, end in zip(cards, [0, *ends], ends)}  # noqa: B905
        even[cards[-1]] = None
        return even
    base, *others = kind.split("+")
    wanted: Shares = dict.fromkeys([*cards, *others], 1)
    if base.startswith("small-"):
        wanted[base[-1]] = 0
    wanted[others[-1] if others else cards[-1]] = None
    return wanted


def layers(name: str, count_of_layers: int) -> Optional[Dict[str, int]]:
    """:func:`shares` in numbers, without the devices that stay empty; None where the version chooses."""
    found = shares(name, count_of_layers)
    if found is None:
        return None
    rest = count_of_layers - sum(share or 0 for share in found.values())
    return {device: rest if share is None else share for device, share in found.items() if share != 0}


def wanted(name: str) -> Optional[List[str]]:
    """The devices that a plan must end up with, sorted; None where the version is free to choose."""
    # Five layers: every share that is not left empty gets some, whatever the number of cards.
    found = shares(name, 5)
    return None if found is None else sorted(device for device, share in found.items() if share != 0)


def place(name: str, sizes: Mapping[str, int]) -> Dict[str, str]:
    """Module -> device of a plan, over the modules of :func:`scenarios.common.layout.modules`.

    Raises:
        ValueError: the plan leaves the choice to the version, or there are too few layers.
    """
    found = shares(name, len(layout.layers(sizes)))
    if found is None:
        raise ValueError(f"device plan {name!r}: the version chooses")
    devices: List[str] = []
    for device, share in found.items():
        left = len(layout.layers(sizes)) - len(devices)
        devices += [device] * (left if share is None else share)
    if len(set(devices)) != sum(share != 0 for share in found.values()):
        raise ValueError(f"device plan {name!r}: {len(layout.layers(sizes))} layers are too few")
    placed = dict.fromkeys(sizes, devices[-1])
    placed.update(dict.fromkeys(layout.embeddings(sizes), devices[0]))
    placed.update(zip(layout.layers(sizes), devices))  # noqa: B905
    together = parts(name)[1].startswith("map")
    for head in filter(layout.is_head, sizes):
        if together or not (sizes[head] or parts(name)[1].startswith("split-tie")):
            placed[head] = devices[0]
    return placed


def budgets(name: str, sizes: Mapping[str, int], itemsize: int) -> Dict[Any, int]:
    """Bytes for each device, as ``max_memory`` takes them: cards by number, then the CPU.

    Args:
        name: a plan by budgets.
        sizes: values in each module, in order.
        itemsize: bytes of a value.
    """
    found = shares(name, len(layout.layers(sizes))) or {}
    placed = place(name, sizes)
    # A tied head goes with the embedding, and is not met again.
    order = [module for module in sizes if sizes[module] or not layout.is_head(module)]
    most = 4 * sum(sizes.values())
    limits: Dict[Any, int] = {}
    start = 0
    for device, share in found.items():
        if device == "disk":
            continue
        kept = [module for module in order[start:] if placed[module] == device]
        start += len(kept)
        reserves = device in ("0", "cpu")
        limits[int(device) if device.isdigit() else device] = (
            most if share is None else _between(order, start - len(kept), len(kept), sizes, reserves)
        )
    if "disk" in found:
        limits.setdefault("cpu", 0)
    return {device: limit * itemsize for device, limit in limits.items()}


def _between(order: Sequence[str], start: int, kept: int, sizes: Mapping[str, int], reserves: bool) -> int:
    """Half-way between what the ``kept`` modules from ``start`` on need and what one more would."""

    def need(end: int) -> int:
        room = max((sizes[module] for module in order[end:]), default=0) if reserves else 0
        return sum(sizes[module] for module in order[start:end]) + room

    enough = max((need(end) for end in range(start + 1, start + kept + 1)), default=0)
    return (enough + need(start + kept + 1)) // 2


def arguments(name: str, sizes: Mapping[str, int], itemsize: int, folder: Mapping[str, str]) -> Dict[str, Any]:
    """The keyword arguments of ``from_pretrained``; for ``full`` plans also fills the cards of this process.

    Args:
        folder: ``offload_folder``, given where the plan has a part on disk.
    """
    count, kind = parts(name)
    if kind in _FREE:
        return {"device_map": kind.replace("-", "_")}
    if kind in _SECOND:
        return {"device_map": _SECOND[kind]}
    if kind in _MAPS:
        placed = place(name, sizes)
        if kind != "map-older":
            prefix = layout.embeddings(sizes)[0].rpartition("embed_tokens")[0]
            placed[f"{prefix}rotary_emb"] = "0"
        return {"device_map": {m: f"cuda:{d}" if kind.endswith("named") else int(d) for m, d in placed.items()}}
    limits = budgets(name, sizes, itemsize)
    if kind.startswith("full"):
        fill([limits[card] for card in range(count)])
        return {"device_map": "auto"}
    return {"device_map": "sequential", "max_memory": limits, **(folder if "disk" in kind else {})}


#: A virtual card's size. transformers 5 reserves "total less 1.2 GiB" while it loads: a small card would not do.
_TOTAL = 4 << 30


def fill(free: Sequence[int]) -> None:
    """Let something else use all but these bytes of each virtual card."""
    import virtualcuda

    virtualcuda.configure(len(free), _TOTAL, list(free))
