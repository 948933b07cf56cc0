"""Plants one operand of a model's run on another device, and watches which operators then see two devices."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_unflatten

HERE = "cuda:0"
#: How torch says that operands are on different devices.
WORDS = re.compile(
    r"Expected all tensors to be on the same device|should be on the same device|to be on the same device"
    r"|to have the same device type|should be either on cpu or on the same device|should be the same"
)


class Place(NamedTuple):
    """Where an operand can be planted: what kind it is, its name, and a context that plants it on a device."""

    kind: str
    name: str
    plant: Callable[[str], Any]


class Ready(NamedTuple):
    """A model on ``cuda:0``, the keyword arguments of its first call, and those of a second one with the cache.

    ``fresh`` gives the first call what each run must have of its own: an empty cache, where the model needs one.
    """

    model: Any
    inputs: dict[str, Any]
    more: Callable[[Any], dict[str, Any]] | None = None
    fresh: Callable[[], dict[str, Any]] = dict


class Ended(NamedTuple):
    """A run: its outputs on the CPU or the error, the operators that saw two devices and why each may, its moves."""

    outputs: list[Any]
    error: Exception | None
    mixtures: list[tuple[str, str | None]]
    moves: int


class Mixtures(TorchDispatchMode):  # type: ignore[misc]
    """Notes each operator that is called with operands of two devices; it knows nothing of virtual CUDA."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str | None]] = []
        self.moves = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [leaf for leaf in tree_flatten((args, kwargs or {}))[0] if isinstance(leaf, torch.Tensor)]
        if len({tensor.device for tensor in tensors}) > 1:
            self.found.append((str(func), allowed(str(func), args, tensors)))
        result = func(*args, **(kwargs or {}))
        self.moves += str(func).startswith("aten._to_copy.") and result.device != tensors[0].device
        return result


def allowed(name: str, args: Any, tensors: list[Any]) -> str | None:
    """Why CUDA takes operands of two devices here, after torch's documentation; None where it does not."""
    if name.startswith(("aten.copy_.", "aten._to_copy.")):
        return "a copy"
    rest = tensors
    reason = None
    if name.startswith(("aten.index.", "aten._unsafe_index.")):
        indices = [index for index in args[1] if index is not None]
        if all(index.device.type == "cpu" for index in indices):
            reason = "an index on the CPU"
            rest = [tensor for tensor in tensors if not any(tensor is index for index in indices)]
    if name.startswith(("aten.index_put", "aten._index_put_impl_")):
        # make_info of TensorAdvancedIndexingUtils.h moves the indices of any device, _index_put_impl_ a 0-dim value.
        value = args[2]
        return "index_put moves it" if value.dim() == 0 or value.device == args[0].device else None
    elementwise = "masked_fill" in name or any(name.startswith(f"aten.{word}.") for word in ITERATORS)
    if elementwise and any(tensor.dim() == 0 and tensor.device.type == "cpu" for tensor in rest):
        reason = "a number on the CPU (0-dim)"
        rest = [tensor for tensor in rest if tensor.dim() or tensor.device.type != "cpu"]
    return reason if reason and len({tensor.device for tensor in rest}) <= 1 else None


#: Element by element, where torch takes a 0-dim tensor of the CPU for a number.
ITERATORS = (
    "add",
    "sub",
    "mul",
    "div",
    "pow",
    "where",
    "le",
    "lt",
    "ge",
    "gt",
    "eq",
    "ne",
    "bitwise_and",
    "logical_and",
)


@contextmanager
def moved_data(tensor: Any, device: str) -> Iterator[None]:
    """A parameter's or a buffer's values on another device."""
    before = tensor.data
    tensor.data = before.to(device)
    try:
        yield
    finally:
        tensor.data = before


def is_cache(value: Any) -> bool:
    """A key-value cache. Some versions let pytree take it apart: the nest put together again would hold a copy.

    A module fills the cache that it is given, so the copy would be filled, and the caller's one lack that layer.
    """
    return hasattr(value, "get_seq_length")


def moved_leaf(value: Any, number: int, device: str) -> Any:
    """A nest of arguments with one of its tensors on another device; its cache stays the same object."""
    leaves, shape = tree_flatten(value, is_leaf=is_cache)
    positions = [at for at, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
    if number < len(positions):
        leaves[positions[number]] = leaves[positions[number]].to(device)
    return tree_unflatten(leaves, shape)


def tensors_in(value: Any) -> int:
    """How many tensors a nest of arguments holds; a cache is not looked into."""
    return sum(isinstance(leaf, torch.Tensor) for leaf in tree_flatten(value, is_leaf=is_cache)[0])


@contextmanager
def hooked(module: Any, number: int, output: bool, device: str) -> Iterator[None]:
    """One tensor of the first call's arguments, or of its result, on another device."""
    left = iter([True])

    def before(_: Any, args: Any, kwargs: Any) -> Any:
        return moved_leaf((args, kwargs), number, device) if next(left, False) else None

    def after(_: Any, args: Any, result: Any) -> Any:
        return moved_leaf(result, number, device) if next(left, False) else None

    if output:
        handle = module.register_forward_hook(after)
    else:
        handle = module.register_forward_pre_hook(before, with_kwargs=True)
    try:
        yield
    finally:
        handle.remove()


def places(ready: Ready) -> Iterator[Place]:
    """Every parameter, buffer, argument and result of every module, the model's inputs, the key-value cache."""
    model = ready.model
    for kind, named in (("weight", model.named_parameters()), ("buffer", model.named_buffers())):
        for name, tensor in named:
            yield Place(kind, name, partial(moved_data, tensor))
    for name, module, given, returned in calls(ready):
        for output, count in ((False, given), (True, returned)):
            for number in range(count):
                yield Place(
                    "result of a module" if output else "input of a module",
                    f"{name or 'the model'} {number}",
                    partial(hooked, module, number, output),
                )


def calls(ready: Ready) -> list[tuple[str, Any, int, int]]:
    """Each module that the first call runs, and how many tensors it takes and gives."""
    seen: dict[str, tuple[str, Any, int, int]] = {}
    handles = []
    for name, module in ready.model.named_modules():

        def note(module: Any, args: Any, kwargs: Any, result: Any, name: str = name) -> None:
            seen.setdefault(name, (name, module, tensors_in((args, kwargs)), tensors_in(result)))

        handles.append(module.register_forward_hook(note, with_kwargs=True))
    try:
        with torch.no_grad():
            ready.model(**ready.inputs, **ready.fresh())
    finally:
        for handle in handles:
            handle.remove()
    return list(seen.values())


def moved_cache(layer: int, which: int, device: str, cache: Any) -> Any:
    """A cache with one layer's keys (0) or values (1) on another device, in the forms that versions give it."""
    if isinstance(cache, tuple):
        layers = [list(pair) for pair in cache]
        layers[layer][which] = layers[layer][which].to(device)
        return tuple(map(tuple, layers))
    if hasattr(cache, "layers"):
        attribute = ("keys", "values")[which]
        setattr(cache.layers[layer], attribute, getattr(cache.layers[layer], attribute).to(device))
        return cache
    lists = (cache.key_cache, cache.value_cache)
    lists[which][layer] = lists[which][layer].to(device)
    return cache


def run(
    ready: Ready, inputs: dict[str, Any] | None = None, change: Callable[[Any], Any] = lambda cache: cache
) -> Ended:
    """The first call, and the second where there is one, watched."""
    watch = Mixtures()
    outputs = []
    try:
        with torch.no_grad(), watch:
            first = ready.model(**(ready.inputs if inputs is None else inputs), **ready.fresh())
            outputs.append(first.logits)
            if ready.more is not None:
                outputs.append(ready.model(**ready.more(change(first.past_key_values))).logits)
    except Exception as error:
        return Ended([], error.with_traceback(None), watch.found, watch.moves)
    return Ended([output.cpu() for output in outputs], None, watch.found, watch.moves)
