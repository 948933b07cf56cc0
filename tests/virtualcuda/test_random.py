"""Every device has its own stream of random numbers, which seeds and states control."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

pytestmark = pytest.mark.torch

DRAWS: dict[str, Callable[[str], Any]] = {
    "randn": lambda device: torch.randn(5, device=device),
    "rand": lambda device: torch.rand(5, device=device),
    "randint": lambda device: torch.randint(0, 1000, (5,), device=device),
    "randperm": lambda device: torch.randperm(20, device=device),
    "normal_": lambda device: torch.empty(5, device=device).normal_(),
    "uniform_": lambda device: torch.empty(5, device=device).uniform_(-1, 1),
    "bernoulli": lambda device: torch.bernoulli(torch.full((50,), 0.5, device=device)),
    "multinomial": lambda device: torch.multinomial(torch.ones(50, device=device), 5),
    "dropout": lambda device: F.dropout(torch.ones(50, device=device), 0.5),
    "dropout training": lambda device: F.dropout(torch.ones(50, device=device, requires_grad=True), 0.5),
    "exponential_": lambda device: torch.empty(5, device=device).exponential_(),
}


@pytest.mark.parametrize("name", DRAWS)
def test_seeded_and_apart_from_the_cpu(name: str) -> None:
    draw = DRAWS[name]
    torch.manual_seed(3)
    cpu_state = torch.get_rng_state()
    first, second = draw("cuda:1"), draw("cuda:1")
    assert not torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), cpu_state), "drawing on a card moved the CPU's generator"
    torch.rand(7, device="cuda:0")
    torch.cuda.manual_seed_all(3)
    assert torch.equal(draw("cuda:1"), first)
    state = torch.cuda.get_rng_state(1)
    again = draw("cuda:1")
    torch.cuda.set_rng_state(state, 1)
    assert torch.equal(draw("cuda:1"), again)
    assert torch.equal(again, second)


def test_generators() -> None:
    generator = torch.Generator(device="cuda:2").manual_seed(5)
    first = torch.randn(4, device="cuda:2", generator=generator)
    generator.manual_seed(5)
    assert torch.equal(torch.randn(4, device="cuda:2", generator=generator), first)
    assert generator.device == torch.device("cuda:2")
    with pytest.raises(RuntimeError, match="Expected a 'cpu' device type for generator but found 'cuda'"):
        torch.randn(4, generator=generator)
    with pytest.raises(RuntimeError, match="Expected a 'cuda' device type for generator but found 'cpu'"):
        torch.empty(4, device="cuda:0").normal_(generator=torch.Generator())


def test_default_generators_and_fork_rng() -> None:
    torch.cuda.manual_seed(11)
    assert torch.cuda.initial_seed() == 11 == torch.cuda.default_generators[0].initial_seed()
    expected = torch.rand(3, device="cuda:0")
    torch.cuda.manual_seed(11)
    with torch.random.fork_rng(devices=[0]):
        torch.rand(9, device="cuda:0")
    assert torch.equal(torch.rand(3, device="cuda:0"), expected)
