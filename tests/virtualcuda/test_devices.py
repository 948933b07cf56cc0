"""torch.cuda answers for the virtual devices, and the devices can be changed."""

import threading
from typing import Any

import pytest
import torch

import virtualcuda

pytestmark = pytest.mark.torch


def test_count_and_properties() -> None:
    assert torch.cuda.is_available() and torch.cuda.is_initialized() and torch.cuda.device_count() == 3
    assert torch.cuda.get_device_name(1) == "virtual CUDA device 1"
    assert torch.cuda.get_device_capability() == (8, 6)
    properties = torch.cuda.get_device_properties("cuda:2")
    assert properties.total_memory == 64 << 20 and "virtual" in repr(properties)
    assert torch.cuda.is_bf16_supported() and torch.version.cuda is None
    assert torch.cuda.can_device_access_peer(0, 1) and not torch.cuda.can_device_access_peer(1, 1)


def test_current_device() -> None:
    assert torch.device(0) == torch.device("cuda:0") and torch.ones(1).to(1).device == torch.device("cuda:1")
    with torch.cuda.device(2):
        assert torch.cuda.current_device() == 2
        assert torch.ones(1, device="cuda").device == torch.device("cuda:2")
        with torch.cuda.device_of(torch.ones(1, device="cuda:1")):
            assert torch.ones(1).cuda().device == torch.device("cuda:1")
    assert torch.cuda.current_device() == 0
    torch.cuda.set_device("cuda:1")
    try:
        assert torch.arange(3, device="cuda").device == torch.device("cuda:1")
        seen: list[int] = []
        thread = threading.Thread(target=lambda: seen.append(torch.cuda.current_device()))
        thread.start()
        thread.join()
        assert seen == [0]  # as on CUDA, each thread has its own
    finally:
        torch.cuda.set_device(0)


@pytest.mark.skipif(not hasattr(torch, "accelerator"), reason="this torch has no torch.accelerator")
def test_accelerator() -> None:
    assert torch.accelerator.current_accelerator() == torch.device("cuda")
    assert torch.accelerator.device_count() == 3 and torch.accelerator.is_available()


def test_streams_and_events_are_always_done() -> None:
    stream, event = torch.cuda.Stream(device=1), torch.cuda.Event(enable_timing=True)
    with torch.cuda.stream(stream):
        x = torch.ones(3, device="cuda:1")
        event.record()
        x.record_stream(stream)
    stream.wait_stream(torch.cuda.current_stream(1))
    torch.cuda.synchronize()
    assert stream.query() and event.query() and stream.device == torch.device("cuda:1")
    assert event.elapsed_time(torch.cuda.Event()) == 0.0


def test_devices_can_change() -> None:
    torch.nn.Linear(2, 2, device="cuda:0")(torch.ones(1, 2, device="cuda:0")).sum().backward()
    with virtualcuda.devices(5, memory="1MiB"):
        assert torch.cuda.device_count() == 5 and len(torch.cuda.default_generators) == 5
        layer = torch.nn.Linear(2, 2, device="cuda:4")
        layer(torch.ones(1, 2, device="cuda:4")).sum().backward()  # the engine knows a device that came later
        assert layer.weight.grad is not None
    with virtualcuda.devices(0):
        assert not torch.cuda.is_available()
    assert torch.cuda.device_count() == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 17}, "between 0 and 16"),
        ({"memory": ["1MiB"]}, "names 1 sizes for 2 devices"),
        ({"memory": "a lot"}, "is not a size"),
        ({"memory": "1MiB", "free": "2MiB"}, "cannot have 2097152 bytes free of 1048576"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message), virtualcuda.devices(**arguments):
        pass
    assert torch.cuda.device_count() == 3
    with pytest.raises(ValueError, match="there is no cuda:3"):
        virtualcuda.statistics(3)
    with pytest.raises(virtualcuda.VirtualCudaError, match="active already"):
        virtualcuda.activate()
