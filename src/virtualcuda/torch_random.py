"""The devices' default generators, for torch.cuda.manual_seed and its like."""

import os
from typing import Any, Tuple

import torch

from virtualcuda.runtime import device_count, shim


def default_generators() -> Tuple[Any, ...]:
    """One generator for each device."""
    shim().virtualcuda_hand_out_default_generators(1)
    try:
        return tuple(torch.Generator(device=f"cuda:{index}") for index in range(device_count()))
    except RuntimeError:  # before 2.7: "Device type CUDA is not supported for torch.Generator() api."
        return tuple(_SeedOnly(index) for index in range(device_count()))
    finally:
        shim().virtualcuda_hand_out_default_generators(0)


class _SeedOnly:
    """Stands for a device's default generator where torch.Generator cannot: a state is its seed."""

    def __init__(self, index: int) -> None:
        self._index = index

    def manual_seed(self, seed: int) -> "_SeedOnly":
        shim().virtualcuda_seed(self._index, seed & (2**64 - 1))
        return self

    def seed(self) -> int:
        self.manual_seed(int.from_bytes(os.urandom(7), "little"))
        return self.initial_seed()

    def initial_seed(self) -> int:
        return int(shim().virtualcuda_seed_of(self._index))

    def get_state(self) -> Any:
        raise NotImplementedError("virtualcuda: this version of torch gives no state of a virtual device's generator")

    def set_state(self, state: Any) -> None:
        raise NotImplementedError("virtualcuda: this version of torch sets no state of a virtual device's generator")
