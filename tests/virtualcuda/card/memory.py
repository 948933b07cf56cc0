"""Memory: what is charged, the words where it is out, and the figures afterwards."""

import gc
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

import torch

from tests.virtualcuda.card.machine import HERE, budget, words

Case = tuple[str, Callable[[], str]]

MIB = 1 << 20
#: Ranges of sizes: within the small blocks of CUDA's allocator, within its large ones, and across.
SIZES = {"small": (1, MIB // 2), "large": (2 * MIB, 30 * MIB), "any": (1, 6 * MIB)}
SEQUENCES = 5
STEPS = 200


def cases() -> Iterator[Case]:
    """All questions about memory."""
    for kind in SIZES:
        for seed in range(SEQUENCES):
            yield f"{kind} tensors made, sequence {seed}", _sequence(kind, seed, frees=False)
            yield f"{kind} tensors made and freed, sequence {seed}", _sequence(kind, seed, frees=True)
    for name, function in QUESTIONS.items():
        yield name, _within(function)


def _sequence(kind: str, seed: int, frees: bool) -> Callable[[], str]:
    """memory_allocated after each step, in blocks of 512 bytes; the peak at the end."""

    def asked() -> str:
        chance = random.Random(f"{kind} {seed}")
        gc.collect()
        with budget(64 << 30):
            torch.cuda.reset_peak_memory_stats(0)
            before = torch.cuda.memory_allocated(0)
            kept: list[Any] = []
            told = []
            for _ in range(STEPS):
                if frees and kept and chance.random() < 0.45:
                    kept.pop(chance.randrange(len(kept)))
                else:
                    kept.append(torch.empty(chance.randint(*SIZES[kind]), dtype=torch.uint8, device=HERE))
                told.append((torch.cuda.memory_allocated(0) - before) / 512)
            told.append((torch.cuda.max_memory_allocated(0) - before) / 512)
        return " ".join(f"{figure:g}" for figure in told)

    return asked


def _within(function: Callable[[], Any]) -> Callable[[], str]:
    def asked() -> str:
        with budget(1 << 30):
            return str(function())

    return asked


def _bytes(size: int) -> Any:
    return torch.empty(size, dtype=torch.uint8, device=HERE)


def _figures() -> tuple[int, int]:
    gc.collect()
    return torch.cuda.memory_allocated(0), torch.cuda.max_memory_allocated(0)


def _refused(size: int, keep: int = 960 * MIB) -> str:
    kept = [_bytes(keep)] if keep else []
    before = _figures()
    try:
        _bytes(size)
    except torch.cuda.OutOfMemoryError as error:
        told = re.sub(r"\d+(\.\d+)?", "N", words(error))
        error.__traceback__ = None
    else:
        told = "taken"
    same = _figures() == before
    del kept
    return f"{told} | {'figures as before' if same else 'figures changed'}"


def _ooms() -> str:
    before = torch.cuda.memory_stats(0).get("num_ooms", 0)
    _refused(128 * MIB)
    return f"num_ooms + {torch.cuda.memory_stats(0).get('num_ooms', 0) - before}"


def _after_a_failure() -> str:
    """A failed result frees what was made on the way, and what fits is still given."""
    kept = _bytes(700 * MIB)
    before = _figures()[0]
    try:
        kept + 1
    except torch.cuda.OutOfMemoryError as error:
        error.__traceback__ = None
    gc.collect()
    return f"{torch.cuda.memory_allocated(0) - before} {_bytes(200 * MIB).numel()}"


def _peaks() -> str:
    start = torch.cuda.memory_allocated(0)
    torch.cuda.reset_peak_memory_stats(0)
    one = _bytes(3 * MIB)
    del one
    first = torch.cuda.max_memory_allocated(0) - start
    torch.cuda.reset_peak_memory_stats(0)
    second = torch.cuda.max_memory_allocated(0) - start
    return f"{first} {second}"


def _of(make: Callable[[], Any]) -> Callable[[], int]:
    """How much a result takes, by memory_allocated."""

    def asked() -> int:
        make()  # workspaces are made once
        gc.collect()
        before = int(torch.cuda.memory_allocated(0))
        result = make()
        taken = int(torch.cuda.memory_allocated(0)) - before
        del result
        return taken

    return asked


def _free_after(size: int) -> str:
    """How mem_get_info's free memory falls by a tensor."""
    torch.cuda.empty_cache()
    before = torch.cuda.mem_get_info(0)[0]
    kept = _bytes(size)
    fell = before - torch.cuda.mem_get_info(0)[0]
    del kept
    return f"{fell / MIB:g} MiB"


QUESTIONS: dict[str, Callable[[], Any]] = {
    "nothing": lambda: torch.cuda.memory_allocated(0),
    "out of memory: a tensor that never fits": lambda: _refused(2 << 40, keep=0),
    "out of memory: the budget is used up": lambda: _refused(128 * MIB),
    "out of memory: counted": _ooms,
    "out of memory: afterwards": _after_a_failure,
    "peaks": _peaks,
    "1 byte": _of(lambda: _bytes(1)),
    "0 bytes": _of(lambda: _bytes(0)),
    "513 bytes": _of(lambda: _bytes(513)),
    "a view": _of(lambda: _bytes(2000)[:3]),
    "a sum": _of(lambda: torch.ones(1000, device=HERE) + 1),
    "a product": _of(lambda: torch.ones(256, 256, device=HERE) @ torch.ones(256, 256, device=HERE)),
    "a sort": _of(lambda: torch.ones(1000, device=HERE).sort()),
    "an expanded tensor": _of(lambda: torch.ones(1, device=HERE).expand(1000)),
    "a copy from the cpu": _of(lambda: torch.ones(1000).to(HERE)),
    "a linear layer": _of(lambda: torch.nn.Linear(30, 50, device=HERE)),
    "free falls by 64 MiB": lambda: _free_after(64 * MIB),
    "free falls by 1 byte": lambda: _free_after(1),
    "free falls by 3 MiB": lambda: _free_after(3 * MIB),
}
