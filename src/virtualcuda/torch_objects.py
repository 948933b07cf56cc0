# ruff: noqa: ARG002 - stand-ins keep the signatures of what they replace
"""What torch.cuda hands out: device properties, and streams and events, which are always done."""

from types import TracebackType
from typing import Any, Optional, Type

import torch

from virtualcuda.runtime import statistics

#: The compute capability that devices report: bfloat16 exists, the kernels of newer cards do not.
CAPABILITY = (8, 6)


class DeviceProperties:
    """As ``torch.cuda.get_device_properties`` gives; the name says that the device is virtual."""

    def __init__(self, index: int) -> None:
        self.name = f"virtual CUDA device {index}"
        self.major, self.minor = CAPABILITY
        self.total_memory = statistics(index).total
        self.multi_processor_count = 1
        self.is_integrated = False
        self.is_multi_gpu_board = False
        self.warp_size = 32
        self.max_threads_per_multi_processor = 1536
        self.regs_per_multiprocessor = 65536
        self.shared_memory_per_block = 48 << 10
        self.shared_memory_per_block_optin = 99 << 10
        self.shared_memory_per_multiprocessor = 100 << 10
        self.L2_cache_size = 6 << 20
        self.gcnArchName = ""
        self.uuid = f"virtual-{index}"

    def __repr__(self) -> str:
        return (
            f"_CudaDeviceProperties(name='{self.name}', major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory // (1 << 20)}MB, multi_processor_count={self.multi_processor_count})"
        )


class Event:
    """An event of the one stream: whatever was recorded is done."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.cuda_event = 0

    def record(self, stream: Any = None) -> None:
        """Does nothing."""

    def wait(self, stream: Any = None) -> None:
        """Does nothing."""

    def query(self) -> bool:
        """Always true."""
        return True

    def synchronize(self) -> None:
        """Does nothing."""

    def elapsed_time(self, end_event: Any) -> float:
        """0 ms: nothing on a virtual device takes a card's time."""
        return 0.0


class Stream:
    """A stream. Work is done when a call returns, so nothing ever waits."""

    def __init__(self, device: Any = None, priority: int = 0, **kwargs: Any) -> None:
        from virtualcuda.torch_cuda import device_index

        self.device_index = device_index(device)
        self.device = torch.device("cuda", self.device_index)
        self.priority = priority
        self.stream_id = 0
        self.cuda_stream = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and other.device_index == self.device_index

    def __hash__(self) -> int:
        return hash((Stream, self.device_index))

    def __enter__(self) -> "Stream":
        return self

    def __exit__(
        self, kind: Optional[Type[BaseException]], error: Optional[BaseException], trace: Optional[TracebackType]
    ) -> None:
        """Leaves the stream as it was."""

    def synchronize(self) -> None:
        """Does nothing."""

    def query(self) -> bool:
        """Always true."""
        return True

    def wait_stream(self, stream: Any) -> None:
        """Does nothing."""

    def wait_event(self, event: Any) -> None:
        """Does nothing."""

    def record_event(self, event: Optional[Event] = None) -> Event:
        """An event that is done."""
        return event or Event()
