# ruff: noqa: ARG001, ARG005 - stand-ins keep the signatures of what they replace
"""Makes torch.cuda of a CPU-only build answer for the virtual devices.

Two layers. ``torch._C._cuda_*`` are the entries that a CPU build lacks: with them, most of torch.cuda's own Python code
runs as it stands. Where a CPU build replaced a function at its import, or where the answer is simple and torch's code
would start a driver, the function in torch.cuda is set as well.

The modules named torch_* (but torch_build) import torch, so they are imported only once the shim is loaded.
"""

from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, Tuple

import torch

from virtualcuda import torch_random, torch_storage
from virtualcuda.errors import VirtualCudaError
from virtualcuda.runtime import device_count, reset_peak, shim, statistics
from virtualcuda.torch_objects import CAPABILITY, DeviceProperties, Event, Stream

_POOLS = ("all", "large_pool", "small_pool")
_installed = False


def install() -> None:
    """Patches torch, once."""
    global _installed  # noqa: PLW0603 - one per process, as torch's modules are
    if not torch._C._dispatch_has_backend_fallback(torch._C.DispatchKey.CUDA):
        raise VirtualCudaError("the shim was loaded, but torch does not know its kernels; please report this")
    _installed = True
    library: Any = torch._C
    for name, function in _low_level().items():
        setattr(library, name, function)
    for name, value in _torch_cuda().items():
        for module in (torch.cuda, torch.cuda.memory, torch.cuda.random, torch.cuda.streams):
            if module is torch.cuda or hasattr(module, name):
                setattr(module, name, value)
    torch.backends.cuda.is_built = lambda: True
    torch.Tensor.record_stream = _nothing  # it would take torch's own stream class only
    torch_storage.install()
    devices_changed()


def devices_changed() -> None:
    """Called when the number of devices has changed."""
    if _installed:
        torch.cuda.default_generators = torch_random.default_generators()


# ---- devices


def device_index(device: Any = None) -> int:
    """The number of `device`: an int, a name, a torch.device, or None for the current one."""
    current = int(shim().virtualcuda_current())
    if device is None:
        return current
    if isinstance(device, int):
        return current if device < 0 else device
    device = torch.device(device)
    if device.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {device}")
    return current if device.index is None else int(device.index)


def _exchange(index: int) -> int:
    previous = int(shim().virtualcuda_exchange(int(index)))
    if previous == -2:
        raise RuntimeError("CUDA error: invalid device ordinal")
    return previous


class _Device:
    """``torch.cuda.device``: makes a device current within a block."""

    def __init__(self, device: Any) -> None:
        self.idx = -1 if device is None else device_index(device)
        self.prev_idx = -1

    def __enter__(self) -> None:
        self.prev_idx = _exchange(self.idx)

    def __exit__(self, *_: Any) -> None:
        _exchange(self.prev_idx)


class _DeviceOf(_Device):
    """``torch.cuda.device_of``: the device of a tensor, where it is on one."""

    def __init__(self, obj: Any) -> None:
        super().__init__(obj.get_device() if obj.is_cuda else None)


def _properties(device: Any = None) -> DeviceProperties:
    index = device_index(device)
    if not 0 <= index < device_count():
        raise AssertionError("Invalid device id")
    return DeviceProperties(index)


def _capability(device: Any = None) -> Tuple[int, int]:
    _properties(device)
    return CAPABILITY


# ---- memory


def _memory_stats(index: int) -> Dict[str, Any]:
    """As torch._C._cuda_memoryStats, with the figures that exist here; all others are 0."""
    figures = statistics(index)

    def of(current: int, peak: int) -> Dict[str, Dict[str, int]]:
        zeros = {"current": 0, "peak": 0, "allocated": 0, "freed": 0}
        return {pool: dict(zeros, current=current, peak=peak) if pool == "all" else dict(zeros) for pool in _POOLS}

    result: Dict[str, Any] = {
        f"{name}_bytes": of(figures.used, figures.peak) for name in ("allocated", "reserved", "active", "requested")
    }
    result.update({name: of(figures.blocks, figures.blocks) for name in ("allocation", "segment", "active")})
    result.update({name: of(0, 0) for name in ("inactive_split", "inactive_split_bytes")})
    oversize = {"current": 0, "peak": 0, "allocated": 0, "freed": 0}
    result.update(oversize_allocations=oversize, oversize_segments=dict(oversize))
    result.update(num_ooms=figures.failures, num_alloc_retries=0, num_sync_all_streams=0, max_split_size=-1)
    result.update(num_device_alloc=0, num_device_free=0)
    return result


def _memory_info(device: Any = None) -> Tuple[int, int]:
    figures = statistics(device_index(device))
    return figures.free, figures.total


# ---- random numbers


def _generator(device: Any = None) -> Any:
    return torch.cuda.default_generators[device_index(device)]


def _for_all(change: Callable[[Any], Any]) -> None:
    for index in range(device_count()):
        change(_generator(index))


@contextmanager
def _stream(stream: Any) -> Iterator[None]:
    yield


def _nothing(*args: Any, **kwargs: Any) -> None:
    """For what has no meaning here: caches, synchronisation, streams."""


def _low_level() -> Dict[str, Any]:
    return {
        "_cuda_init": _nothing,
        "_cuda_getDeviceCount": device_count,
        "_cuda_getDevice": device_index,
        "_cuda_setDevice": _exchange,
        "_cuda_exchangeDevice": _exchange,
        "_cuda_maybeExchangeDevice": _exchange,
        "_cuda_isInBadFork": lambda: False,
        "_cuda_canDeviceAccessPeer": lambda first, second: first != second,
        "_cuda_getArchFlags": lambda: None,
        "_cuda_getCompiledVersion": lambda: 0,
        "_cuda_getCurrentRawStream": lambda index=0: 0,  # torch._dynamo imports it
        "_cuda_synchronize": _nothing,
        "_cuda_ipc_collect": _nothing,
        "_cuda_emptyCache": _nothing,
        "_cuda_memoryStats": _memory_stats,
        "_cuda_resetPeakMemoryStats": reset_peak,
        "_cuda_resetAccumulatedMemoryStats": _nothing,
        "_cuda_getAllocatorBackend": lambda: "virtual",
        "_cuda_set_sync_debug_mode": _nothing,
        "_cuda_get_sync_debug_mode": lambda: 0,
    }


def _torch_cuda() -> Dict[str, Any]:
    return {
        "_initialized": True,
        "_queued_calls": [],
        "_cached_device_count": None,
        "_lazy_init": _nothing,
        "_is_compiled": lambda: True,
        "_is_in_bad_fork": lambda: False,
        "_exchange_device": _exchange,
        "_maybe_exchange_device": _exchange,
        "_CudaDeviceProperties": DeviceProperties,
        "_get_device_properties": _properties,
        "init": _nothing,
        "is_initialized": lambda: True,
        "is_available": lambda: device_count() > 0,
        "is_bf16_supported": lambda including_emulation=True: True,
        "device_count": device_count,
        "current_device": device_index,
        "set_device": lambda device: _nothing(_exchange(device_index(device))),
        "device": _Device,
        "device_of": _DeviceOf,
        "get_device_properties": _properties,
        "get_device_name": lambda device=None: _properties(device).name,
        "get_device_capability": _capability,
        "can_device_access_peer": lambda device, peer_device: device_index(device) != device_index(peer_device),
        "synchronize": _nothing,
        "ipc_collect": _nothing,
        "utilization": lambda device=None: 0,
        # memory; the figures that torch.cuda.memory derives from _cuda_memoryStats need nothing here
        "mem_get_info": _memory_info,
        "empty_cache": _nothing,
        # random numbers
        "manual_seed": lambda seed: _nothing(_generator().manual_seed(int(seed))),
        "manual_seed_all": lambda seed: _for_all(lambda generator: generator.manual_seed(int(seed))),
        "seed": lambda: _nothing(_generator().seed()),
        "seed_all": lambda: _for_all(lambda generator: generator.seed()),
        "initial_seed": lambda: _generator().initial_seed(),
        "get_rng_state": lambda device="cuda": _generator(device).get_state(),
        "set_rng_state": lambda new_state, device="cuda": _nothing(_generator(device).set_state(new_state)),
        "get_rng_state_all": lambda: [_generator(index).get_state() for index in range(device_count())],
        "set_rng_state_all": _set_rng_state_all,
        # streams and events
        "Stream": Stream,
        "Event": Event,
        "stream": _stream,
        "set_stream": _nothing,
        "current_stream": Stream,
        "default_stream": Stream,
        "is_current_stream_capturing": lambda: False,
    }


def _set_rng_state_all(new_states: Any) -> None:
    for index, state in enumerate(new_states):
        _generator(index).set_state(state)
