"""The devices exist before torch is imported, so this file activates them for the whole run."""

from collections.abc import Iterator

import pytest

import virtualcuda

REASON: str | None = None
try:
    virtualcuda.activate(devices=3, memory="64MiB")
except virtualcuda.VirtualCudaError as error:
    REASON = str(error)
else:
    import torch

    torch.set_num_threads(1)  # small tensors: threads would only wait for one another


@pytest.fixture(autouse=True)
def three_devices() -> Iterator[None]:
    """Every test starts with three empty cards of 64 MiB, and leaves them so."""
    if REASON is not None:
        pytest.skip(REASON)
    with virtualcuda.devices(3, memory="64MiB"):
        yield
