"""Loads the shim into this process, and sets and reads the devices' budgets.

The shim stays for the life of the process; a child made by fork has it, too, with devices and figures of its own from
then on. Number and memory of the devices can be changed at any time.
"""

import ctypes
import sys
from contextlib import contextmanager
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence, Union

from virtualcuda.errors import TooLateError, VirtualCudaError
from virtualcuda.sizes import Size, parse_size
from virtualcuda.toolchain import build
from virtualcuda.torch_build import find_torch

#: One size for every device, or one for each.
Sizes = Union[Size, Sequence[Size]]

_library: Optional[ctypes.CDLL] = None


class Statistics(NamedTuple):
    """One device's figures: bytes, and counts of live blocks, refused allocations and operators run."""

    total: int
    elsewhere: int
    used: int
    peak: int
    blocks: int
    failures: int
    operators: int

    @property
    def free(self) -> int:
        """Bytes that can still be allocated."""
        return max(0, self.total - self.elsewhere - self.used)


def activate(devices: int = 2, memory: Sizes = "1GiB", free: Optional[Sizes] = None) -> None:
    """Makes ``cuda:0`` ... exist in this process. Call it before anything imports torch; it imports torch.

    `memory` is each card's size; where `free` is given, something else on the card uses the rest. Raises TooLateError
    when torch is imported already, and NoCompilerError, UnsuitableTorchError or BuildError when there is no shim.
    """
    global _library  # noqa: PLW0603 - one per process, as the loaded library is
    if _library is not None:
        raise VirtualCudaError("virtual CUDA is active already; use configure() or devices() to change the devices")
    if "torch" in sys.modules:
        raise TooLateError("torch is imported already; call virtualcuda.activate() before anything that imports torch")
    torch_build = find_torch()
    path = build(torch_build)
    # The order matters. libtorch first, with its names kept local, then the shim with global names: so the loader asks
    # the shim before libtorch (see getAccelerator in hooks.h) while the shim finds this environment's libtorch.
    ctypes.CDLL(str(torch_build.libraries / "libtorch_cpu.so"), mode=ctypes.RTLD_LOCAL)
    _library = _declare(ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL))
    configure(devices, memory, free)
    from virtualcuda.torch_cuda import install

    install()


def _declare(shim: ctypes.CDLL) -> ctypes.CDLL:
    shim.virtualcuda_set_memory.argtypes = [ctypes.c_int, ctypes.c_longlong, ctypes.c_longlong]
    shim.virtualcuda_set_memory.restype = None
    shim.virtualcuda_set_count.restype = None
    shim.virtualcuda_statistics.argtypes = [ctypes.c_int, ctypes.POINTER(ctypes.c_longlong)]
    shim.virtualcuda_statistics.restype = None
    shim.virtualcuda_reset_peak.restype = None
    shim.virtualcuda_seed.argtypes = [ctypes.c_int, ctypes.c_ulonglong]
    shim.virtualcuda_seed.restype = None
    shim.virtualcuda_seed_of.restype = ctypes.c_ulonglong
    shim.virtualcuda_resize_storage.argtypes = [ctypes.c_void_p, ctypes.c_ulonglong]
    return shim


def shim() -> Any:
    """The loaded library; raises VirtualCudaError before activate()."""
    if _library is None:
        raise VirtualCudaError("virtual CUDA is not active in this process; call virtualcuda.activate() first")
    return _library


def is_active() -> bool:
    """Whether this process has virtual devices."""
    return _library is not None


def why_unavailable() -> Optional[str]:
    """None where a shim for this environment is there or was built now, else the reason why it cannot be had."""
    try:
        build()
    except VirtualCudaError as error:
        return str(error)
    return None


def device_count() -> int:
    """How many virtual devices there are now."""
    return int(shim().virtualcuda_count())


def configure(devices: int, memory: Sizes, free: Optional[Sizes] = None) -> None:
    """Sets the number of devices and each one's memory. Tensors that live on a device stay charged to it."""
    most = int(shim().virtualcuda_max_devices())
    if not 0 <= devices <= most:
        raise ValueError(f"the number of devices must be between 0 and {most}, not {devices}")
    totals = _each(memory, devices, "memory")
    frees = totals if free is None else _each(free, devices, "free")
    for index, (total, left) in enumerate(zip(totals, frees)):  # noqa: B905 - Python 3.8
        if left > total:
            raise ValueError(f"cuda:{index} cannot have {left} bytes free of {total}")
    for index, (total, left) in enumerate(zip(totals, frees)):  # noqa: B905 - Python 3.8
        shim().virtualcuda_set_memory(index, total, total - left)
    shim().virtualcuda_set_count(devices)
    if "torch.cuda" in sys.modules:
        sys.modules["virtualcuda.torch_cuda"].devices_changed()


def _each(sizes: Sizes, count: int, what: str) -> List[int]:
    if isinstance(sizes, (str, int)):
        return [parse_size(sizes)] * count
    if len(sizes) != count:
        raise ValueError(f"{what} names {len(sizes)} sizes for {count} devices")
    return [parse_size(size) for size in sizes]


@contextmanager
def devices(count: int = 2, memory: Sizes = "1GiB", free: Optional[Sizes] = None) -> Iterator[None]:
    """For tests: `count` devices of `memory` within the block, with fresh peaks; afterwards those of before."""
    before = [statistics(index) for index in range(device_count())]
    configure(count, memory, free)
    for index in range(count):
        reset_peak(index)
    try:
        yield
    finally:
        configure(len(before), [old.total for old in before], [old.total - old.elsewhere for old in before])


def statistics(device: int = 0) -> Statistics:
    """The figures of one device, by its number."""
    figures = (ctypes.c_longlong * len(Statistics._fields))()
    shim().virtualcuda_statistics(_known(device), figures)
    return Statistics(*figures)


def reset_peak(device: int = 0) -> None:
    """Lets the peak of one device start again from what it uses now."""
    shim().virtualcuda_reset_peak(_known(device))


def _known(device: int) -> int:
    if not 0 <= device < device_count():
        raise ValueError(f"there is no cuda:{device}; there are {device_count()} virtual devices")
    return device
