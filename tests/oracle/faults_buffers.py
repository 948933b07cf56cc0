"""Faults in buffers: rotary frequencies that are not the configuration's."""

import math
from typing import Any

import torch

from tests.oracle.anatomy import Absent, bend_rotary, fault, rotary_buffers

ALL = ("llama", "gemma3-text", "gemma3", "mixtral")


@fault(*ALL)
def frequencies_zero(model: Any) -> None:
    bend_rotary(model, torch.zeros_like)


@fault(*ALL)
def frequencies_not_a_number(model: Any) -> None:
    bend_rotary(model, lambda value: torch.full_like(value, math.nan))


@fault(*ALL)
def frequencies_on_meta(model: Any) -> None:
    bend_rotary(model, lambda value: value.to("meta"))


@fault("llama", "gemma3-text", "mixtral")
def frequencies_in_bfloat16(model: Any) -> None:
    """What ``model.bfloat16().float()`` leaves behind."""
    bend_rotary(model, lambda value: value.bfloat16().float())


@fault("llama", "mixtral")
def rope_base_changed(model: Any) -> None:
    """10 000 for 500 000, and the reverse."""

    def change(value: torch.Tensor) -> torch.Tensor:
        return value ** (math.log(500_000.0) / math.log(10_000.0))

    bend_rotary(model, change)


@fault("gemma3-text", "gemma3")
def local_rope_base_changed(model: Any) -> None:
    if not any(True for _ in rotary_buffers(model, local=True)):
        raise Absent("no local frequencies")
    bend_rotary(model, lambda value: value**1.05, local=True)


@fault("llama-3.1")
def rope_scaling_ignored(model: Any) -> None:
    def change(value: torch.Tensor) -> torch.Tensor:
        exponents = torch.arange(len(value), dtype=torch.float64) / len(value)
        return (500_000.0**-exponents).to(value)

    bend_rotary(model, change)


@fault("gemma3")
def linear_rope_scaling_ignored(model: Any) -> None:
    bend_rotary(model, lambda value: value * 8, local=False)


@fault("gemma3-text", "gemma3")
def local_and_global_frequencies_swapped(model: Any) -> None:
    local = next(rotary_buffers(model, local=True), None)
    wide = next(rotary_buffers(model, local=False), None)
    if local is None or wide is None:
        raise Absent("no two sets of frequencies")
    one, other = local[0]._buffers[local[1]], wide[0]._buffers[wide[1]]
    local[0]._buffers[local[1]], wide[0]._buffers[wide[1]] = other, one
