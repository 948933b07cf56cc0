"""Several CUDA devices on a machine that has none.

On a CPU-only build of torch, ``cuda:0``, ``cuda:1``, ... come to exist, each with a budget of memory, so that what
happens only on several cards (placement, offload, dispatch, tensors left on the wrong card) happens anywhere::

    import virtualcuda
    virtualcuda.activate(devices=2, memory="64MiB")   # before anything imports torch
    import torch
    torch.ones(3, device="cuda:1") + torch.ones(3, device="cuda:0")   # RuntimeError, as on real cards

What is faithful and what is not is told in docs/virtual-cuda.md.
"""

from virtualcuda.errors import BuildError, NoCompilerError, TooLateError, UnsuitableTorchError, VirtualCudaError
from virtualcuda.runtime import (
    Statistics,
    activate,
    configure,
    device_count,
    devices,
    is_active,
    reset_peak,
    statistics,
    why_unavailable,
)
from virtualcuda.toolchain import build

__all__ = [
    "BuildError",
    "NoCompilerError",
    "Statistics",
    "TooLateError",
    "UnsuitableTorchError",
    "VirtualCudaError",
    "activate",
    "build",
    "configure",
    "device_count",
    "devices",
    "is_active",
    "reset_peak",
    "statistics",
    "why_unavailable",
]
