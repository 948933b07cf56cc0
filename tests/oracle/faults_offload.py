"""Faults of offloading: what accelerate's hooks put in place is not the file's."""

from collections.abc import Callable
from typing import Any

import torch

from tests.oracle.anatomy import Absent, fault


def _hooks(model: Any) -> list[tuple[Any, Any]]:
    """Modules and hooks that keep their weights elsewhere."""
    found = [
        (module, one)
        for module in model.modules()
        for hook in [getattr(module, "_hf_hook", None)]
        for one in getattr(hook, "hooks", None) or (hook,)
        if getattr(one, "offload", False) and getattr(one, "weights_map", None) is not None
    ]
    if not found:
        raise Absent("nothing is offloaded")
    return found


class _Bent:
    """A map of weights that gives other values than the file's."""

    def __init__(self, weights: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.weights, self.change = weights, change
        self.dataset = getattr(weights, "dataset", weights)
        self.prefix = getattr(weights, "prefix", "")

    def __getitem__(self, name: str) -> torch.Tensor:
        return self.change(self.weights[name])


@fault("llama", "gemma3-text", plan="disk")
def offloaded_values_stale(model: Any) -> None:
    _, hook = _hooks(model)[0]
    hook.weights_map = _Bent(hook.weights_map, lambda value: value.flip(0))


@fault("llama", "gemma3-text", plan="disk")
def offloaded_values_not_a_number(model: Any) -> None:
    _, hook = _hooks(model)[0]
    hook.weights_map = _Bent(hook.weights_map, lambda value: value * float("nan"))


@fault("llama", "gemma3-text", plan="disk")
def offloaded_values_wrong_when_used(model: Any) -> None:
    """The map is right, what the hook puts into the module is not."""
    module, hook = _hooks(model)[0]
    before = hook.pre_forward

    def stale(one: Any, *args: Any, **kwargs: Any) -> Any:
        given = before(one, *args, **kwargs)
        for value in module.parameters(recurse=False):
            value.data = value.data.flip(0)
        return given

    hook.pre_forward = stale
