"""The tensors of a loaded model, wherever they are, read one at a time.

A tensor on disk is read by mapping its whole file: to hold all of them at once would map a file of gigabytes for
each.
"""

import hashlib
from typing import Any, Dict, Iterator, Mapping, Tuple

import torch

from compatprobe import tensors as probe
from scenarios.common import placed


class Observed(Mapping[str, torch.Tensor]):
    """Parameters, tied names too, and buffers: name -> its value; meta where there is none."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._held: Dict[str, torch.Tensor] = dict(model.named_parameters(remove_duplicate=False))
        self._held.update(model.named_buffers(remove_duplicate=False))
        self._stores: Dict[str, Tuple[Any, str]] = {}
        for prefix, module in model.named_modules():
            store = next((s for s in (getattr(hook, "weights_map", None) for hook in probe.hooks(module)) if s), None)
            local = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
            for name, _ in local if store is not None else ():
                self._stores[f"{prefix}.{name}" if prefix else name] = (store, name)

    def __getitem__(self, name: str) -> torch.Tensor:
        tensor = self._held[name]
        if not tensor.is_meta or name not in self._stores:
            return tensor
        store, leaf = self._stores[name]
        try:
            kept: torch.Tensor = store[leaf]
        except KeyError:
            return tensor
        return kept.clone()  # lets its file go

    def __iter__(self) -> Iterator[str]:
        return iter(self._held)

    def __len__(self) -> int:
        return len(self._held)


def facts(model: torch.nn.Module) -> Dict[str, Any]:
    """What :func:`compatprobe.tensors.describe` tells, for a model of which a part may be on disk."""
    observed, parameters = Observed(model), dict(model.named_parameters(remove_duplicate=False))
    sha = hashlib.sha256()
    for name in sorted(parameters):
        sha.update(probe.digest({name: observed[name]}).encode())
    return {
        "class": type(model).__name__,
        "parameters": len(parameters),
        "devices": _count(placed.where(model).values()),
        "dtypes": _count(str(tensor.dtype).replace("torch.", "") for tensor in parameters.values()),
        "tied": probe.tied_groups(model),
        "parameters_digest": sha.hexdigest()[:16],
    }


def _count(values: Any) -> Dict[str, int]:
    counts: Dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return dict(sorted(counts.items()))
