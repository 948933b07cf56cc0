"""Budgets: what is charged, when memory is out, and that the figures are exact whatever happened."""

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch

import virtualcuda

pytestmark = pytest.mark.torch

MIB = 1 << 20


def used() -> list[int]:
    return [virtualcuda.statistics(index).used for index in range(virtualcuda.device_count())]


def test_charged_in_blocks_of_512_bytes() -> None:
    x = torch.empty(1, device="cuda:0")
    y = torch.empty(129, device="cuda:0")
    view = y[:3]
    assert virtualcuda.statistics(0)[2:5] == (512 + 1024, 512 + 1024, 2)
    assert torch.cuda.memory_allocated(0) == torch.cuda.max_memory_allocated(0) == 1536
    del x, y
    assert used() == [1024, 0, 0]  # the view keeps its storage
    del view
    assert used() == [0, 0, 0]
    assert torch.cuda.max_memory_allocated(0) == 1536
    torch.cuda.reset_peak_memory_stats(0)
    assert torch.cuda.max_memory_allocated(0) == 0


def test_results_of_kernels_are_charged() -> None:
    x = torch.ones(256, 256, device="cuda:1")
    y = x @ x
    assert used() == [0, 2 * 256 * 1024, 0]
    x += y
    assert used() == [0, 2 * 256 * 1024, 0]
    values, places = x.sort()
    assert used() == [0, (3 + 2) * 256 * 1024, 0]
    assert virtualcuda.statistics(1).blocks == 4
    del x, y, values, places
    assert used() == [0, 0, 0]


def test_out_of_memory() -> None:
    kept = torch.empty(60 * MIB, dtype=torch.uint8, device="cuda:2")
    message = (
        r"CUDA out of memory. Tried to allocate 5.00 MiB. GPU 2 has a total capacity of 64.00 MiB of which 4.00 MiB is "
        r"free. \(virtual device\)"
    )
    with pytest.raises(torch.cuda.OutOfMemoryError, match=message):
        torch.empty(5 * MIB, dtype=torch.uint8, device="cuda:2")
    with pytest.raises(torch.cuda.OutOfMemoryError):
        kept + 1
    with pytest.raises(torch.cuda.OutOfMemoryError):
        kept.resize_(65 * MIB)
    assert kept.numel() == 60 * MIB
    assert used() == [0, 0, 60 * MIB]
    assert virtualcuda.statistics(2).failures == 3
    assert torch.cuda.memory_stats(2)["num_ooms"] >= 3
    torch.empty(4 * MIB, dtype=torch.uint8, device="cuda:2")


def test_free_memory_and_what_others_use() -> None:
    with virtualcuda.devices(2, memory=["8GiB", "1GiB"], free=["10MiB", "1GiB"]):
        assert torch.cuda.mem_get_info(0) == (10 * MIB, 8 << 30)
        assert torch.cuda.mem_get_info("cuda:1") == (1 << 30, 1 << 30)
        assert torch.cuda.get_device_properties(0).total_memory == 8 << 30
        with pytest.raises(torch.cuda.OutOfMemoryError, match=r"total capacity of 8.00 GiB of which 10.00 MiB is free"):
            torch.empty(11 * MIB, dtype=torch.uint8, device="cuda:0")
    assert torch.cuda.mem_get_info(0) == (64 * MIB, 64 * MIB)


def test_a_large_card_costs_only_what_is_touched() -> None:
    with virtualcuda.devices(1, memory="10TiB"):
        x = torch.empty(4 << 40, dtype=torch.uint8, device="cuda:0")
        x[-1] = 7
        assert int(x[-1]) == 7 and torch.cuda.memory_allocated() == 4 << 40


def test_budget_below_what_is_used() -> None:
    x = torch.empty(32 * MIB, dtype=torch.uint8, device="cuda:0")
    with virtualcuda.devices(1, memory="1MiB"):
        assert virtualcuda.statistics(0).free == 0
        with pytest.raises(torch.cuda.OutOfMemoryError, match="0 bytes is free"):
            x[:1].clone()
    assert int(x.fill_(1).sum()) == 32 * MIB


def test_resize_and_set() -> None:
    x = torch.arange(4.0, device="cuda:0")
    x.resize_(1000)
    assert used() == [4096, 0, 0] and x[:4].tolist() == [0, 1, 2, 3]
    x.resize_(2)
    assert used() == [4096, 0, 0]  # a storage never shrinks by itself
    y = torch.empty(0, device="cuda:0").set_(x)
    assert y.data_ptr() == x.data_ptr()
    with pytest.raises(RuntimeError, match="storage"):
        torch.empty(0, device="cuda:1").set_(x.untyped_storage())
    x.set_()
    y.set_()
    assert used() == [0, 0, 0]


def test_storages() -> None:
    x = torch.arange(8, dtype=torch.uint8, device="cuda:1")
    storage = x.untyped_storage()
    assert storage.device == torch.device("cuda:1") and storage.nbytes() == 8
    assert storage.cpu().tolist() == list(range(8))
    assert storage.clone().device == torch.device("cuda:1")
    assert x.cpu().untyped_storage().cuda(2).device == torch.device("cuda:2")
    storage.resize_(0)
    assert used() == [0, 0, 0]
    storage.resize_(8)
    x.fill_(3)
    assert x.tolist() == [3] * 8
    with pytest.raises(torch.cuda.OutOfMemoryError):
        storage.resize_(65 * MIB)
    assert x.tolist() == [3] * 8


@pytest.mark.parametrize("weights_only", [True, False])
def test_save_load_and_deepcopy(weights_only: bool) -> None:
    x = torch.randn(5, device="cuda:1")
    copied = copy.deepcopy({"x": x, "same": x[1:]})
    assert copied["x"].device == torch.device("cuda:1") and torch.equal(copied["x"], x)
    file = io.BytesIO()
    torch.save({"x": x}, file)
    for target, expected in ((None, "cuda:1"), ("cuda:2", "cuda:2"), ("cpu", "cpu"), ("cuda", "cuda:0")):
        file.seek(0)
        loaded = torch.load(file, map_location=target, weights_only=weights_only)["x"]
        assert loaded.device == torch.device(expected) and torch.equal(loaded.cpu(), x.cpu())


def test_parameters_share_after_moving() -> None:
    model = torch.nn.ModuleDict({"a": torch.nn.Linear(8, 8, bias=False), "b": torch.nn.Linear(8, 8, bias=False)})
    model["b"].weight = model["a"].weight
    model.to("cuda:1")
    assert model["b"].weight is model["a"].weight
    assert used() == [0, 512, 0]


def load_and_run() -> Any:
    """A small load as a library does it: empty, fill, move, tie, run, and drop half."""
    state = {f"{i}.weight": torch.full((64, 64), float(i)) for i in range(4)}
    model = torch.nn.Sequential(*[torch.nn.Linear(64, 64, bias=False, device="meta") for _ in range(4)])
    model.to_empty(device="cuda:0")
    for name, parameter in model.named_parameters():
        parameter.data.copy_(state[name].to("cuda:0"))
    half = model[2:].to("cuda:1")
    hidden = model[:2](torch.ones(3, 64, device="cuda:0"))
    loss = half(hidden.to("cuda:1")).softmax(-1).sort(-1)[0].cumsum(0).sum()
    loss.backward()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    optimizer.step()
    return loss.item()


def failing_at(allocation: int, work: Callable[[], Any]) -> bool:
    """Runs `work` with a budget that the given allocation (counted in bytes of peak) just exceeds."""
    with virtualcuda.devices(2, memory=allocation):
        try:
            work()
        except torch.cuda.OutOfMemoryError:
            return True
        return False


def test_out_of_memory_at_every_allocation_leaves_exact_figures() -> None:
    load_and_run()
    assert used() == [0, 0, 0]
    peak = max(virtualcuda.statistics(index).peak for index in (0, 1))
    steps = peak // 512
    refused = 0
    for step in range(steps):
        refused += failing_at(step * 512, load_and_run)
        assert used() == [0, 0, 0], f"with a budget of {step * 512} bytes"
        assert [virtualcuda.statistics(index).blocks for index in (0, 1)] == [0, 0]
    assert refused == steps
    assert not failing_at(peak, load_and_run)


def test_torch_memory_reports() -> None:
    x = torch.empty(MIB, dtype=torch.uint8, device="cuda:0")
    assert torch.cuda.memory_reserved(0) == torch.cuda.memory_stats(0)["allocated_bytes.all.current"] == x.nbytes
    assert "PyTorch CUDA memory summary" in torch.cuda.memory_summary(0)
    if hasattr(torch, "accelerator") and hasattr(torch.accelerator, "memory_allocated"):
        assert torch.accelerator.memory_allocated(0) == x.nbytes
        assert torch.accelerator.max_memory_allocated(0) == x.nbytes
    torch.cuda.empty_cache()
