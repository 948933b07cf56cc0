"""Where things are in a model of any version, and ways of bending what it does."""

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

Plant = Callable[[Any], None]


@dataclass(frozen=True)
class Fault:
    """A fault in an otherwise right load.

    Attributes:
        name: of the way in which it is wrong.
        family: a key of ``families.FAMILIES``.
        plant: breaks a loaded model.
        eager: whether the model is loaded with eager attention, which always gets a mask that can be bent.
        plan: the device plan of the load.
        hole: why the checks do not find it yet; it counts as not found.
    """

    name: str
    family: str
    plant: Plant
    eager: bool = False
    plan: str = "plain"
    hole: str = ""

    @property
    def id(self) -> str:
        return f"{self.family}-{self.name}"


FAULTS: list[Fault] = []


class Absent(Exception):  # no error: this version's model has nothing of the kind
    """The model has not the part that a fault would break."""


def fault(*families: str, eager: bool = False, plan: str = "plain", hole: str = "") -> Callable[[Plant], Plant]:
    """Register a fault for some families, under the function's name."""

    def register(plant: Plant) -> Plant:
        name = getattr(plant, "__name__", "").strip("_").replace("_", "-")
        FAULTS.extend(Fault(name, family, plant, eager, plan, hole) for family in families)
        return plant

    return register


def layers(model: Any) -> Any:
    """The decoder layers."""
    return next(m for name, m in model.named_modules() if name.endswith("layers") and "vision" not in name)


def named(model: Any, last: str) -> list[Any]:
    """All modules outside of the vision tower whose own name is ``last``."""
    return [m for name, m in model.named_modules() if name.rpartition(".")[2] == last and "vision" not in name]


def first(model: Any, last: str) -> Any:
    """The first of :func:`named`."""
    found = named(model, last)
    if not found:
        raise Absent(f"no module is called {last}")
    return found[0]


def mixture(layer: Any) -> Any:
    """The mixture of experts of a layer."""
    return layer.block_sparse_moe if hasattr(layer, "block_sparse_moe") else layer.mlp


def text_config(model: Any) -> Any:
    """The language model's part of the configuration."""
    return getattr(model.config, "text_config", model.config)


def rotary_buffers(model: Any, *, local: bool | None = None) -> Iterator[tuple[Any, str]]:
    """The modules and names of rotary frequencies; of Gemma 3's local or global layers only, where asked."""
    for path, module in model.named_modules():
        for name in module._buffers:
            is_local = "local" in path or "sliding" in name
            if name.endswith("inv_freq") and "original" not in name and local in (None, is_local):
                yield module, name


def bend_rotary(model: Any, change: Callable[[torch.Tensor], torch.Tensor], *, local: bool | None = None) -> None:
    """Change the frequencies, and the tables that older versions keep of their cosines and sines."""
    for module, name in list(rotary_buffers(model, local=local)):
        module._buffers[name] = change(module._buffers[name])
        for table, function in (("cos_cached", torch.cos), ("sin_cached", torch.sin)):
            for key in (table, "_" + table):
                if key in module._buffers:
                    frequencies = module._buffers[name].float()
                    angles = torch.outer(
                        torch.arange(len(module._buffers[key]), device=frequencies.device), frequencies
                    )
                    module._buffers[key] = function(torch.cat([angles, angles], dim=-1))


def on_output(module: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Change what a module gives (the first element, where it gives several things)."""

    def hook(_module: Any, _args: Any, output: Any) -> Any:
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    module.register_forward_hook(hook)


def around(module: Any, change: Callable[..., Any]) -> None:
    """Replace ``module.forward`` by ``change(forward, kwargs)``; positional arguments get their names."""
    forward = module.forward
    names = list(inspect.signature(forward).parameters)

    @functools.wraps(forward)
    def changed(*args: Any, **kwargs: Any) -> Any:
        return change(forward, {**dict(zip(names, args, strict=False)), **kwargs})

    module.forward = changed


def decoding(kwargs: Mapping[str, Any]) -> bool:
    """Whether a call of the model takes one new token to a cache that holds the others."""
    ids = kwargs.get("input_ids")
    return ids is not None and ids.shape[1] == 1 and kwargs.get("past_key_values") is not None


def cached(cache: Any, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Keys and values (batch, heads, length, size) that a cache of any version keeps for a layer."""
    if hasattr(cache, "layers"):
        return cache.layers[layer].keys, cache.layers[layer].values
    if hasattr(cache, "key_cache"):
        return cache.key_cache[layer], cache.value_cache[layer]
    keys, values = cache[layer]
    return keys, values


def bend_cache(model: Any, change: Callable[[Any], None], *, once: bool = True) -> None:
    """Call ``change(cache)`` before a new token is taken to it: the first of each decoding, or every one."""
    fresh = True

    def step(forward: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
        nonlocal fresh
        if not decoding(kwargs):
            fresh = True
        elif fresh or not once:
            fresh = False
            change(kwargs["past_key_values"])
        return forward(**kwargs)

    around(model, step)


def bend_mask(module: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Change the additive mask (batch, 1, queries, keys) that an attention module is given."""

    def hook(_module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        mask = kwargs.get("attention_mask")
        if mask is None:
            raise Absent("attention got no mask")
        return args, {**kwargs, "attention_mask": change(mask)}

    module.register_forward_pre_hook(hook, with_kwargs=True)
