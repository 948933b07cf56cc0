"""The device map that a version chooses, caught on its way; and what must hold of any such map."""

import functools
import importlib
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Tuple

import torch

from compatprobe import Unsupported
from scenarios.common.checkpoint import write_checkpoint
from scenarios.llama._try import REFUSALS
from scenarios.placement import _blocks
from scenarios.placement._blocks import GIB
from scenarios.placement._configs import Config

if TYPE_CHECKING:
    from compatprobe import Cell

#: Where versions look these functions up: accelerate's, or (from 4.51 on) copies of their own.
_PLACES = ("transformers.modeling_utils", "transformers.integrations.accelerate")
_PLANNER = "infer_auto_device_map"
#: Asked for buffers too, it makes everything on meta. Otherwise each tensor is made on the CPU and thrown away:
#: gigabytes in all, and half a minute, for the same map.
_EMPTY = "init_empty_weights"


class Chosen(NamedTuple):
    """A version's model, on the meta device, and its map from module names to devices."""

    model: Any
    devices: Dict[str, str]


class _Caught(BaseException):
    """Ends ``from_pretrained`` once the map is there; not an ``Exception``, which something on the way might take."""

    def __init__(self, chosen: Chosen) -> None:
        super().__init__("the device map is chosen")
        self.chosen = chosen


def budgets(cards: str, host: str) -> Dict[Any, int]:
    """``max_memory``, in bytes: the cards' whole memory, and what the host gives (``cpu-64``: GiB; ``no-cpu``)."""
    memory: Dict[Any, int] = dict(enumerate(_blocks.cards(cards)))
    memory["cpu"] = 0 if host == "no-cpu" else int(host.partition("-")[2]) * GIB
    return memory


def choose(cell: "Cell", config: Config, strategy: str, memory: Mapping[Any, int]) -> Chosen:
    """Let the version's own ``from_pretrained`` choose a map, and stop it there.

    So everything is the version's: its class, its dtypes, what it ties and when, which classes it says must
    not be split, and how it fills the cards. The checkpoint is a config with a file that holds no weights.

    Raises:
        RuntimeError: the load ended and no map was made.
    """
    made = write_checkpoint(cell.directory / "checkpoint", config, {"none": torch.zeros(1)})
    cell.architecture(config["model_type"])
    model_class = cell.api(config["architectures"][0])
    planners, empties = list(_found(_PLANNER)), list(_found(_EMPTY))
    cell.step("choose the map")
    try:
        for module, original in planners:
            setattr(module, _PLANNER, _catching(original))
        for module, original in empties:
            setattr(module, _EMPTY, functools.partial(original, include_buffers=True))
        model_class.from_pretrained(
            str(made.path),
            torch_dtype=getattr(torch, config["torch_dtype"]),
            device_map=strategy,
            max_memory=dict(memory),
            offload_folder=str(cell.directory / "offload"),
        )
    except _Caught as caught:
        return caught.chosen
    except ValueError as error:
        if any(words in str(error) for words in REFUSALS):
            raise Unsupported("rope_scaling of this configuration", str(error)) from error
        raise
    finally:
        for name, replaced in ((_PLANNER, planners), (_EMPTY, empties)):
            for module, original in replaced:
                setattr(module, name, original)
    raise RuntimeError(f"from_pretrained(device_map={strategy!r}) ended without a call of {_PLANNER}")


def _found(function: str) -> Iterator[Tuple[Any, Callable[..., Any]]]:
    """The modules that have a function of this name, and the function."""
    for name in _PLACES:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError:
            continue
        if hasattr(module, function):
            yield module, getattr(module, function)


def _catching(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def planner(model: Any, *args: Any, **options: Any) -> Any:
        found = original(model, *args, **options)
        raise _Caught(Chosen(model, {name: str(device) for name, device in found.items()}))

    return planner


def check(cell: "Cell", config: Config, chosen: Chosen, memory: Mapping[Any, int]) -> None:
    """Check a map against our own arithmetic, and record it.

    The tensors are the version's, on meta; sizes of blocks, cards and what fits are ours.
    """
    cell.step("check the map")
    parameters = dict(chosen.model.named_parameters(remove_duplicate=False))
    first = _tied_to(chosen.model, parameters)
    placed = {name: _devices(name, chosen.devices) for name in parameters}

    _published(cell, config, {name: tensor for name, tensor in parameters.items() if name not in first})
    _count(cell, "nothing left out", [name for name, devices in placed.items() if len(devices) != 1])
    apart = [f"{name} and {other}" for name, other in first.items() if placed[name] != placed[other]]
    _count(cell, "tied together", apart)

    held: Dict[str, Dict[str, None]] = {}
    for name in parameters:
        if name not in first:
            held.setdefault(_blocks.block_of(name), {}).update(dict.fromkeys(placed[name]))
    split = [f"{block} over {', '.join(devices)}" for block, devices in held.items() if len(devices) > 1]
    _count(cell, "layers whole", [one for one in split if _blocks.is_layer(one)])

    used = _used(chosen, parameters, placed, first)
    limits = {str(device): size for device, size in memory.items()}
    over = {device: used.get(device, 0) - limit for device, limit in limits.items()}
    worst = max(over, key=lambda device: over[device])
    cell.check("budgets kept", max(over[worst], 0), 0, f"bytes too many on {worst}" if over[worst] > 0 else "")

    on_cards = _blocks.fits(config, [size for device, size in memory.items() if device != "cpu"])
    if on_cards:
        cell.check("cards used where all fits", used.get("cpu", 0) + used.get("disk", 0), 0, "bytes not on the cards")
    for name in first:
        if _blocks.block_of(name) not in held:
            held[f"{_blocks.block_of(name)} (tied)"] = dict.fromkeys(placed[name])
    _record(cell, held, used, limits, on_cards)


def _count(cell: "Cell", name: str, wrong: List[str]) -> None:
    cell.check(name, len(wrong), 0, "; ".join(wrong[:4]) + ("; ..." if len(wrong) > 4 else ""))


def _published(cell: "Cell", config: Config, parameters: Mapping[str, torch.Tensor]) -> None:
    observed: Dict[str, int] = {}
    for name, tensor in parameters.items():
        block = _blocks.block_of(name)
        observed[block] = observed.get(block, 0) + tensor.numel() * tensor.element_size()
    expected = {block: count * _blocks.itemsize(config) for block, count in _blocks.blocks(config).items()}
    names = [*expected, *(block for block in observed if block not in expected)]
    wrong = [
        f"{block}: {observed.get(block, 0)} bytes, published {expected.get(block, 0)}"
        for block in names
        if observed.get(block, 0) != expected.get(block, 0)
    ]
    _count(cell, "parameters as published", wrong)


def _tied_to(model: Any, parameters: Mapping[str, torch.Tensor]) -> Dict[str, str]:
    """Name -> the name of the parameter that it is, or that the version says it is going to be tied to."""
    seen: Dict[int, str] = {}
    tied: Dict[str, str] = {}
    for name, tensor in parameters.items():
        known = seen.setdefault(id(tensor), name)
        if known != name:
            tied[name] = known
    promised: Mapping[str, str] = getattr(model, "all_tied_weights_keys", None) or {}
    tied.update({name: source for name, source in promised.items() if name in parameters and name != source})
    return tied


def _devices(name: str, devices: Mapping[str, str]) -> List[str]:
    """The devices of all entries of a map that speak of a tensor: one, where the map is right."""
    return [device for key, device in devices.items() if key in ("", name) or name.startswith(key + ".")]


def _used(
    chosen: Chosen,
    parameters: Mapping[str, torch.Tensor],
    placed: Mapping[str, List[str]],
    tied: Mapping[str, str],
) -> Dict[str, int]:
    """Device -> bytes of parameters and buffers; a tied parameter weighs again only where it is apart."""
    used: Dict[str, int] = {}
    weighed = {name: tensor for name, tensor in parameters.items() if placed.get(tied.get(name, "")) != placed[name]}
    for name, tensor in (*weighed.items(), *chosen.model.named_buffers()):
        for device in _devices(name, chosen.devices):
            used[device] = used.get(device, 0) + tensor.numel() * tensor.element_size()
    return used


def _record(
    cell: "Cell",
    held: Mapping[str, Mapping[str, None]],
    used: Mapping[str, int],
    limits: Mapping[str, int],
    on_cards: bool,
) -> None:
    """The map as a picture needs it: each device in order, what it has, and what lies on it."""
    shown = []
    for device in (*limits, "disk"):
        blocks = [block for block, devices in held.items() if device in devices]
        limit = limits.get(device)
        if blocks or device not in ("cpu", "disk"):
            shown.append(
                {
                    "device": device if device in ("cpu", "disk") else f"card {device}",
                    "GiB": round(used.get(device, 0) / GIB, 2),
                    "of GiB": limit / GIB if limit is not None else None,
                    "holds": _blocks.summary(blocks),
                }
            )
    cell.fact("fits on the cards", on_cards)
    cell.fact("placement", shown)
