"""Where a model's tensors really are, against the device map that was asked for and what the budgets allow."""

from typing import TYPE_CHECKING, Any, Collection, Dict, List, Mapping, Set

import torch

from compatprobe import tensors as probe
from scenarios.common import layout

if TYPE_CHECKING:
    from compatprobe import Cell


def short(device: Any) -> str:
    """A device as a map's key for it: ``1`` for 1, "cuda:1" and torch.device("cuda", 1); else its own name."""
    return str(device).replace("cuda:", "")


def devices(model: torch.nn.Module) -> List[str]:
    """Where the parameters are, sorted, in the words of :func:`short`."""
    return sorted({short(parameter.device) for parameter in model.parameters()})


def _in_store(model: torch.nn.Module, name: str) -> str:
    """Where accelerate keeps the value of a parameter that is on meta between calls: cpu, disk or nowhere."""
    path, _, leaf = name.rpartition(".")
    for hook in probe.hooks(model.get_submodule(path)):
        store = getattr(hook, "weights_map", None)
        if store is None:
            continue
        whole, key = getattr(store, "dataset", store), getattr(store, "prefix", "") + leaf
        if key in getattr(whole, "state_dict", {}):
            return short(whole.state_dict[key].device)
        if key in getattr(whole, "index", {}):
            return "disk"
        if leaf in store:
            return short(store[leaf].device)
    return "nowhere"


def where(model: torch.nn.Module) -> Dict[str, str]:
    """Each parameter (tied names too) -> the device that holds its value, through hooks where it is offloaded."""
    return {
        name: _in_store(model, name) if parameter.is_meta else short(parameter.device)
        for name, parameter in model.named_parameters(remove_duplicate=False)
    }


def layers(model: torch.nn.Module) -> Dict[str, int]:
    """Device -> how many decoder layers have a parameter there; a layer that is torn apart counts on each."""
    found: Dict[str, Set[int]] = {}
    for name, device in where(model).items():
        layer = layout.layer_of(name)
        if layer is not None:
            found.setdefault(device, set()).add(layer)
    return {device: len(numbers) for device, numbers in found.items()}


def check(cell: "Cell", model: torch.nn.Module, asked: Any = None) -> None:
    """Check that every parameter is where the device map says; without a map there is nothing to keep.

    Args:
        asked: the ``device_map`` that was given. A dict of modules decides; after a name ("auto") or a device the
            model's own map does, which is the version's word and no more.
    """
    own: Mapping[str, Any] = getattr(model, "hf_device_map", None) or {}
    said = asked if isinstance(asked, Mapping) else own
    wrong = {}
    for name, device in where(model).items():
        keys = [key for key in said if not key or (name + ".").startswith(key + ".")]
        expected = short(said[max(keys, key=len)]) if keys else "nowhere"
        if said and device != expected:
            wrong[name] = f"on {device}, the map says {expected}"
    shown = "; ".join(f"{name}: {why}" for name, why in list(wrong.items())[:8])
    cell.check("placed", len(wrong), 0, shown + (f"; and {len(wrong) - 8} more" if len(wrong) > 8 else ""))


class Budgets:
    """The bytes that each card may hold after a load.

    Make it before the load: it takes copies, as accelerate writes into ``max_memory``. The peak *during* a load is
    no check: ``max_memory`` says where weights go, not what a load may need on the way (transformers 5 stacks a
    mixture's experts on the card: 1.6 times what stays there). The ``-full`` plans leave a card no more than its part.

    Args:
        arguments: of ``from_pretrained``; without budgets among them, all that is free on each card.
        empty: cards (by number) that the plan must leave empty.

    Attributes:
        asked: the ``device_map`` among the arguments; of a dict, a copy.
    """

    def __init__(self, arguments: Mapping[str, Any], empty: Collection[int] = ()) -> None:
        given: Mapping[Any, Any] = dict(arguments.get("max_memory") or {})
        self.limits: Dict[int, int] = {}
        for card in range(torch.cuda.device_count()):
            self.limits[card] = int(given.get(card, torch.cuda.mem_get_info(card)[0]))
        self.empty = empty
        asked = arguments.get("device_map")
        self.asked = dict(asked) if isinstance(asked, Mapping) else asked

    def check(self, cell: "Cell", model: torch.nn.Module) -> None:
        """Check the bytes of the model's tensors on each card."""
        held: Dict[str, Dict[int, int]] = {}
        # Not what the hooks hold: to read a value from disk would bring it to a card.
        for tensor in (*model.parameters(), *model.buffers()):
            if not tensor.is_meta:
                storage = tensor.untyped_storage()
                held.setdefault(short(tensor.device), {})[storage.data_ptr()] = storage.nbytes()
        for card, limit in self.limits.items():
            allowed = 0 if card in self.empty else limit
            cell.check(f"held by card {card}", sum(held.get(str(card), {}).values()), allowed, "bytes")
