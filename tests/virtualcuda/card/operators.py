"""torch's operator database: each operator with one operand elsewhere, and each dtype on the card.

A case's name says all that was asked: operator, way of calling, dtype, shapes, a sum over the other arguments, and
what was planted. Versions of torch that have other samples of an operator have other names for its cases.
"""

import sys
import types
import unittest
import warnings
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch.utils._pytree import tree_flatten, tree_unflatten

from tests.virtualcuda.card.machine import HERE, ask

Case = tuple[str, Callable[[], str]]

_FIRST = ("float32", "int64", "bool", "complex64")
DTYPES = ("float32", "float16", "bfloat16", "float64", "int64", "int32", "uint8", "bool", "complex64")
_LOOKED_AT = 12
#: It waits for a compiler.
_LEFT_OUT = "jiterator"


class Sample(NamedTuple):
    """A call's arguments, taken apart: the leaves, how they were nested, and which of them are tensors."""

    leaves: list[Any]
    shape: Any
    tensors: list[int]

    def name(self) -> str:
        """The tensors' shapes, and a sum over what is not a tensor."""
        shown = " ".join("x".join(map(str, self.leaves[at].shape)) or "()" for at in self.tensors)
        rest = [repr(leaf) for leaf in self.leaves if not isinstance(leaf, torch.Tensor)]
        return f"{shown} #{zlib.crc32(' '.join(rest).encode()) & 0xFFFF:04x}"

    def call(self, function: Any, devices: list[str], scalar: int | None = None, **more: Any) -> Any:
        """Call with fresh copies, the tensors on these devices; one of them as a tensor without dimensions."""
        leaves = list(self.leaves)
        for number, (at, device) in enumerate(zip(self.tensors, devices, strict=True)):
            operand = leaves[at].detach()
            operand = operand.flatten()[0] if number == scalar else operand
            leaves[at] = operand.to(device, copy=True)
        given, args, kwargs = tree_unflatten(leaves, self.shape)
        return function(given, *args, **kwargs, **more)


def database() -> list[Any]:
    """torch's operators; its module asks for a package that only torch's own tests need."""
    if "expecttest" not in sys.modules:
        stand_in: Any = types.ModuleType("expecttest")
        stand_in.TestCase = unittest.TestCase
        sys.modules["expecttest"] = stand_in
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    torch.backends.__allow_nonbracketed_mutation_flag = True  # which the import has turned off
    return [op for op in op_db if _LEFT_OUT not in op.name]


def _samples(op: Any, dtype: Any, most: int) -> list[Sample]:
    """The first samples, brought to the card where they name a device; none where they cannot be made."""
    found: list[Sample] = []
    torch.manual_seed(0)
    try:
        for sample in op.sample_inputs_func(op, "cpu", dtype, requires_grad=False):  # the function itself: it is quick
            leaves, shape = tree_flatten((sample.input, sample.args, sample.kwargs))
            leaves = [HERE if _names_the_cpu(leaf) else leaf for leaf in leaves]
            strided = [at for at, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]
            if all(leaves[at].layout == torch.strided and not leaves[at].is_nested for at in strided):
                found.append(Sample(leaves, shape, strided))
            if len(found) == most:
                break
    except Exception:
        return found
    return found


def _names_the_cpu(leaf: Any) -> bool:
    return isinstance(leaf, torch.device) or (isinstance(leaf, str) and leaf == "cpu")


def _chosen(samples: list[Sample]) -> list[Sample]:
    """The first sample, and the first one with the most tensors."""
    if not samples:
        return []
    most = max(samples, key=lambda sample: len(sample.tensors))
    return [samples[0]] if most is samples[0] else [samples[0], most]


def cases(op: Any, dtypes: Sequence[str] = DTYPES) -> Iterator[Case]:
    """All that is asked of an operator; on the card alone in these dtypes."""
    name = f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name
    supported = {str(dtype).replace("torch.", "") for dtype in op.supported_dtypes("cpu")}
    for dtype in dtypes:
        if dtype in supported:
            for sample in _samples(op, getattr(torch, dtype), 1):
                yield f"{name} {dtype} {sample.name()}: on the card", _asking(sample, op.op)
    first = next((dtype for dtype in _FIRST if dtype in supported), None)
    if first is None:
        return
    for sample in _chosen(_samples(op, getattr(torch, first), _LOOKED_AT)):
        for way, function in (("", op.op), ("in place ", op.inplace_variant)):
            if function is not None:
                yield from _planted(f"{name} {way}{first} {sample.name()}", sample, function)
        if op.supports_out:
            yield f"{name} out {first} {sample.name()}: out on the cpu", _asking_out(sample, op.op)


def _planted(name: str, sample: Sample, function: Any) -> Iterator[Case]:
    count = len(sample.tensors)
    for number in range(count if count > 1 else 0):
        operand = sample.leaves[sample.tensors[number]]
        here = [HERE] * count
        here[number] = "cpu"
        yield f"{name}: {number} on the cpu", _asking(sample, function, here)
        if operand.dim() and operand.numel():
            yield f"{name}: {number} on the cpu, 0-dim", _asking(sample, function, here, number)
        if count > 2:
            there = ["cpu"] * count
            there[number] = HERE
            yield f"{name}: only {number} on the card", _asking(sample, function, there)


def _asking(
    sample: Sample, function: Any, devices: list[str] | None = None, scalar: int | None = None
) -> Callable[[], str]:
    return lambda: ask(lambda: sample.call(function, devices or [HERE] * len(sample.tensors), scalar))


def _asking_out(sample: Sample, function: Any) -> Callable[[], str]:
    def call() -> Any:
        result = sample.call(function, [HERE] * len(sample.tensors))
        out = result.cpu() if isinstance(result, torch.Tensor) else tuple(part.cpu() for part in result)
        return sample.call(function, [HERE] * len(sample.tensors), out=out)

    return lambda: ask(call)
