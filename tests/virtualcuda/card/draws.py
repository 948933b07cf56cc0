"""Random numbers, uninitialised memory, and deterministic algorithms."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F

from tests.virtualcuda.card.machine import HERE, host, x


def questions() -> dict[str, Callable[[], Any]]:
    """All of them, by name."""
    alerts = {f"deterministic: {name}": _deterministic(function) for name, function in DETERMINISTIC.items()}
    return {**RANDOM, **NAN, **alerts}


@contextmanager
def _deterministically() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


def _deterministic(function: Callable[[], Any]) -> Callable[[], Any]:
    def asked() -> Any:
        with _deterministically():
            result = function()
        return result if isinstance(result, (bool, str, list)) else "taken"

    return asked


def cuda(seed: int = 3) -> Any:
    return torch.Generator(device=HERE).manual_seed(seed)


def repeats(draw: Callable[[], Any]) -> tuple[bool, bool, bool]:
    """Reproducible by a seed, by a state, and apart from the CPU's stream."""
    torch.manual_seed(3)
    cpu = torch.get_rng_state()
    first, second = draw(), draw()
    apart = torch.equal(cpu, torch.get_rng_state())
    torch.cuda.manual_seed_all(3)
    seeded = torch.equal(draw(), first)
    state = torch.cuda.get_rng_state(0)
    by_state = torch.equal(draw(), second)
    torch.cuda.set_rng_state(state, 0)
    return seeded, by_state and torch.equal(draw(), second), apart


RANDOM: dict[str, Callable[[], Any]] = {
    "randn repeats": lambda: repeats(lambda: torch.randn(5, device=HERE)),
    "randint repeats": lambda: repeats(lambda: torch.randint(0, 1000, (50,), device=HERE)),
    "randperm repeats": lambda: repeats(lambda: torch.randperm(20, device=HERE)),
    "bernoulli repeats": lambda: repeats(lambda: torch.bernoulli(torch.full((200,), 0.5, device=HERE))),
    "multinomial repeats": lambda: repeats(lambda: torch.multinomial(torch.ones(50, device=HERE), 5)),
    "dropout repeats": lambda: repeats(lambda: F.dropout(torch.ones(200, device=HERE), 0.5)),
    "exponential_ repeats": lambda: repeats(lambda: torch.empty(5, device=HERE).exponential_()),
    "randn on the cpu, generator of the card": lambda: torch.randn(4, generator=cuda()),
    "randn on the card, generator of the cpu": lambda: torch.randn(4, device=HERE, generator=torch.Generator()),
    "normal_ on the card, generator of the cpu": lambda: x().normal_(generator=torch.Generator()),
    "normal_ on the cpu, generator of the card": lambda: host().normal_(generator=cuda()),
    "uniform_ on the card, generator of the cpu": lambda: x().uniform_(generator=torch.Generator()),
    "randint on the card, generator of the cpu": lambda: torch.randint(
        9, (2,), device=HERE, generator=torch.Generator()
    ),
    "randperm on the card, generator of the cpu": lambda: torch.randperm(9, device=HERE, generator=torch.Generator()),
    "randperm on the cpu, generator of the card": lambda: torch.randperm(9, generator=cuda()),
    "multinomial on the card, generator of the cpu": lambda: torch.multinomial(x(), 2, generator=torch.Generator()),
    "bernoulli on the card, generator of the cpu": lambda: torch.bernoulli(x() / 9, generator=torch.Generator()),
    "bernoulli on the cpu, generator of the card": lambda: torch.bernoulli(host() / 9, generator=cuda()),
    "a generator's device": lambda: str(torch.Generator(device="cuda").device),
    "a generator's seed": lambda: cuda(11).initial_seed(),
    "a generator's state": lambda: (cuda().get_state().shape, cuda().get_state().dtype, str(cuda().get_state().device)),
    "a state of the cpu": lambda: torch.cuda.set_rng_state(torch.get_rng_state(), 0),
    "initial seed": lambda: (torch.manual_seed(7), torch.cuda.initial_seed())[1],
}


def _all_nan(make: Callable[[], Any]) -> Callable[[], bool]:
    def asked() -> bool:
        with _deterministically():
            return bool(make().isnan().all())

    return asked


def _long() -> bool:
    with _deterministically():
        return bool((torch.empty(5, device=HERE, dtype=torch.long) == torch.iinfo(torch.long).max).all())


NAN: dict[str, Callable[[], Any]] = {
    "empty is NaN": _all_nan(lambda: torch.empty(5, device=HERE)),
    "empty_like is NaN": _all_nan(lambda: torch.empty_like(x())),
    "new_empty is NaN": _all_nan(lambda: x().new_empty(5)),
    "empty_strided is NaN": _all_nan(lambda: torch.empty_strided((2, 3), (3, 1), device=HERE)),
    "resize_ is NaN": _all_nan(lambda: torch.empty(0, device=HERE).resize_(7)),
    "half is NaN": _all_nan(lambda: torch.empty(5, device=HERE, dtype=torch.float16)),
    "to_empty is NaN": _all_nan(lambda: torch.nn.Linear(2, 2, device="meta").to_empty(device=HERE).weight),
    "long is the largest": _long,
    "without it": lambda: torch.utils.deterministic.fill_uninitialized_memory,
}


def _backward(function: Callable[[Any], Any], *size: int) -> Callable[[], Any]:
    def asked() -> Any:
        operand = x(*size).requires_grad_()
        function(operand).sum().backward()
        return "taken"

    return asked


IDS = (0, 1)

DETERMINISTIC: dict[str, Callable[[], Any]] = {
    "product": lambda: x(2, 2) @ x(2, 2),
    "linear": lambda: F.linear(x(2, 2), x(2, 2), x(2)),
    "cumsum": lambda: x().cumsum(0),
    "index_add": lambda: x().index_add(0, torch.tensor(IDS, device=HERE), x(2)),
    "index_put, accumulate": lambda: x().index_put((torch.tensor(IDS, device=HERE),), x(2), accumulate=True),
    "index_copy": lambda: x().index_copy(0, torch.tensor(IDS, device=HERE), x(2)),
    "scatter_add": lambda: x().scatter_add(0, torch.tensor(IDS, device=HERE), x(2)),
    "scatter_reduce": lambda: x().scatter_reduce(0, torch.tensor(IDS, device=HERE), x(2), "prod"),
    "put_": lambda: x().put_(torch.tensor(IDS, device=HERE), x(2)),
    "histc": lambda: x().histc(3),
    "bincount": lambda: x().long().bincount(x()),
    "kthvalue": lambda: x().kthvalue(2),
    "median with indices": lambda: x().median(0),
    "embedding backward": _backward(lambda w: F.embedding(torch.tensor(IDS, device=HERE), w), 4, 4),
    "interpolate backward": _backward(lambda t: F.interpolate(t, scale_factor=2, mode="bilinear"), 1, 1, 4, 4),
    "adaptive pool backward": _backward(lambda t: F.adaptive_avg_pool2d(t, 2), 1, 1, 4, 4),
    "nll_loss 2d": lambda: F.nll_loss(x(1, 2, 2, 2), torch.zeros(1, 2, 2, dtype=torch.long, device=HERE)),
    "grid_sample backward": _backward(lambda t: F.grid_sample(t, torch.zeros(1, 2, 2, 2, device=HERE)), 1, 1, 4, 4),
    "masked_scatter": lambda: x().masked_scatter(x() > 2, x()),
    "gather backward": _backward(lambda t: t.gather(0, torch.tensor(IDS, device=HERE))),
    "attention backward": _backward(lambda t: F.scaled_dot_product_attention(t, t, t), 1, 1, 4, 8),
    "conv2d": lambda: F.conv2d(x(1, 1, 4, 4), x(1, 1, 2, 2)),
}
