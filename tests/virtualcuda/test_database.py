"""What torch itself says of CUDA: its database of operators, which torch's own tests hold against real cards.

It lists the dtypes that each operator takes on CUDA, and calls that must raise there, with the words.
"""

import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch

import virtualcuda
from tests.virtualcuda.card import machine, operators
from tests.virtualcuda.card.machine import HERE

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

INTEGERS = "int64 int32 int16 int8 uint8"
DTYPES = f"float32 float16 bfloat16 float64 {INTEGERS} bool complex64 complex128".split()

#: What torch does not take on CUDA, and virtual CUDA takes, as the CPU's kernel does.
TAKEN = {"einsum": INTEGERS}  # the sample at hand is a sum of products element by element: no kernel refuses it
#: How virtual CUDA refuses what a real card takes: each is told in docs/virtual-cuda.md.
REFUSED = re.compile(
    r"virtualcuda|MKL FFT doesn't support|nansum on CPU does not support"
    r"|aten::(_sparse_mm_reduce_impl|sparse_sampled_addmm)"
)
#: Calls that must raise, and do not, or in other words; an empty name of a variant is left out.
OTHERWISE = {
    "masked_fill": "the CPU's tensor with a value of the card",
    "histogramdd": "it has no kernel for CUDA, which is said first",
    **dict.fromkeys(("clamp_max", "clamp_min", "__rmod__", "__rpow__", "__rsub__"), "the call raises nowhere"),
}


def name_of(op: Any) -> str:
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else str(op.name)


@cache
def database() -> list[Any]:
    return operators.database()


def first_sample(op: Any, dtype: Any) -> Callable[[], Any] | None:
    """A call on the card; None where the database has no sample of the dtype."""
    torch.manual_seed(0)
    try:
        sample = next(iter(op.sample_inputs_func(op, HERE, dtype, requires_grad=False)))
    except Exception:
        return None
    return lambda: op.op(sample.input, *sample.args, **sample.kwargs)


def test_dtypes() -> None:
    taken: dict[str, set[str]] = {}
    asked = agreed = silent = 0
    with virtualcuda.devices(1, memory="1GiB"):
        for op in database():
            on_cuda, on_cpu = op.supported_dtypes("cuda"), op.supported_dtypes("cpu")
            for dtype in DTYPES:
                call = first_sample(op, getattr(torch, dtype))
                if call is None:
                    continue
                answer = machine.ask(call)
                takes, supported = answer.startswith("taken"), getattr(torch, dtype) in on_cuda
                if takes and not supported and getattr(torch, dtype) not in on_cpu:
                    silent += 1  # the CPU takes it, and is not said to either
                    continue
                asked += 1
                agreed += takes == supported
                if takes and not supported:
                    taken.setdefault(name_of(op), set()).add(dtype)
                assert takes or not supported or REFUSED.search(answer), f"{name_of(op)} {dtype}: {answer}"
    print(f"dtypes: asked {asked}, agreed {agreed}; {silent} that the database does not list for any device")
    assert taken == {name: set(dtypes.split()) for name, dtypes in TAKEN.items()}


def test_calls_that_must_raise() -> None:
    asked = 0
    otherwise: Counter[str] = Counter()
    with virtualcuda.devices(1, memory="1GiB"):
        for op in database():
            if op.error_inputs_func is None:
                continue
            for expected in op.error_inputs_func(op, HERE):
                asked += 1
                sample = expected.sample_input
                try:
                    op.op(sample.input, *sample.args, **sample.kwargs)
                except expected.error_type as error:
                    if re.search(expected.error_regex, str(error)):
                        continue
                except Exception as error:
                    assert name_of(op) in OTHERWISE, f"{name_of(op)}: {error!r}"
                otherwise[name_of(op)] += 1
    print(f"calls that must raise: {asked}")
    assert asked > 600 and otherwise == dict.fromkeys(OTHERWISE, 1)


def test_a_result_cannot_be_written_to_the_cpu() -> None:
    """With ``out=`` on the CPU, each operator raises; ``lu`` writes it itself, by copies."""
    with virtualcuda.devices(1, memory="1GiB"):
        found = {
            name_of(op): ask()
            for op in database()
            for case, ask in operators.cases(op, ())
            if case.endswith("out on the cpu")
        }
    assert len(found) > 250 and [name for name, answer in found.items() if answer.startswith("taken")] == ["lu"]
