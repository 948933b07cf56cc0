"""The one card that is asked, real or virtual, and how an answer is written down."""

import gc
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import virtualcuda

HERE = "cuda:0"
#: A virtual card of 139 GiB, as large cards have; memory that is not touched costs nothing.
MEMORY = "139GiB"
#: After these a process can use its card no more.
POISON = re.compile(
    r"illegal memory access|device-side assert|misaligned address|unspecified launch failure|illegal instruction"
    r"|CUDA error: unknown error|invalid program counter|illegal address|invalid argument at"
)
#: What torch says after its message proper: advice, a place in its sources, a list of registered kernels.
_CUT = re.compile(
    r"\s*(CUDA kernel errors might be|Exception raised from|This could be because the operator|Search for `cuda"
    r"|Compile with `TORCH_USE_CUDA_DSA|For debugging consider|\(virtualcuda: this torch has no CUDA kernel).*",
    re.DOTALL,
)
_ADDRESS = re.compile(r"0x[0-9a-f]{6,}")
LENGTH = 600


def prepare() -> None:
    """A virtual card where torch is a CPU-only build; nothing where it is one for real cards."""
    if "torch" not in sys.modules:
        with suppress(virtualcuda.UnsuitableTorchError):
            virtualcuda.activate(devices=1, memory=MEMORY)
    import torch

    torch.set_num_threads(1)


def is_virtual() -> bool:
    """Whether the card of this process is a virtual one."""
    return virtualcuda.is_active()


def facts() -> dict[str, str]:
    """What was asked: the card, its driver, the versions."""
    import torch

    told = {"python": sys.version.split()[0], "torch": torch.__version__, "card": torch.cuda.get_device_name(0)}
    if not is_virtual():
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        told["driver"] = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
        told["cuda"] = str(torch.version.cuda)
    return told


@contextmanager
def budget(size: int) -> Iterator[None]:
    """No more than so many bytes of the card for this process."""
    import torch

    gc.collect()
    if is_virtual():
        with virtualcuda.devices(1, memory=size):
            yield
        return
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(0)
    torch.cuda.set_per_process_memory_fraction(size / torch.cuda.get_device_properties(0).total_memory, 0)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0, 0)


def words(error: BaseException, directory: object = None) -> str:
    """An error's type and message, without what differs from run to run."""
    text = _CUT.sub("", str(error)).strip()
    text = _ADDRESS.sub("<address>", text)
    if directory is not None:
        text = text.replace(str(directory), "<directory>")
    return f"{type(error).__name__}: {text[:LENGTH]}"


def devices_of(result: Any) -> str:
    """The devices and dtypes of the tensors in a result, in order, without repetition."""
    import torch
    from torch.utils._pytree import tree_flatten

    leaves = tree_flatten(result)[0]
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    shown = dict.fromkeys(f"{t.device} {str(t.dtype).replace('torch.', '')}" for t in tensors)
    return ", ".join(shown) or "no tensor"


def ask(call: Callable[[], Any]) -> str:
    """What a call gives: "taken" and where its tensors are, or the error in words."""
    import torch

    try:
        result = call()
        torch.cuda.synchronize()
        return f"taken: {devices_of(result)}"
    except Exception as error:
        return words(error)


def shown(function: Callable[[], Any]) -> Callable[[], str]:
    """A question whose answer is a value, which is shown as it is, or the error in words."""

    def asked() -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            told: list[str] = []
            answer = ask(lambda: told.append(repr(function())))
        return told[0] if told else answer

    return asked


def x(*size: int) -> Any:
    """1, 2, 3, ... on the card."""
    import torch

    shape = torch.Size(size or (4,))
    return torch.arange(1.0, 1 + shape.numel(), device=HERE).reshape(shape)


def host(*size: int) -> Any:
    """The same on the CPU."""
    return x(*size).cpu()


def give_up_if_poisoned(answer: str) -> None:
    """End the process where the card answers nothing any more: another one asks the rest."""
    if not is_virtual() and POISON.search(answer):
        sys.stdout.flush()
        os._exit(3)
