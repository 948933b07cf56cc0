"""What a child is given, as facts: they must not depend on whether it has virtual cards."""

from compatprobe import Cell, scenario

DEVICES = ("none", "1", "2", "3")


@scenario(
    title="What a child sees",
    params={"devices": DEVICES},
    needs=lambda devices: () if devices == "none" else (f"virtual-cuda:{devices}",),
)
def sees(cell: Cell, devices: str) -> None:
    """The rules, and how many devices there are."""
    import os
    import random
    import resource
    import sys
    from pathlib import Path

    import numpy
    import torch

    place = "cpu" if devices == "none" else "cuda:0"
    cell.fact("hash", hash("a string"))
    cell.fact("environment", dict(os.environ))
    cell.fact("directory", str(Path.cwd()))
    cell.fact("flags", list(sys.flags)[:-1])
    cell.fact("recursion", sys.getrecursionlimit())
    cell.fact("threads", torch.get_num_threads())
    cell.fact("draws", [random.random(), float(numpy.random.rand()), float(torch.rand(()))])
    cell.fact("poison", [bool(torch.empty(size, device=place).isnan().all()) for size in (100, 1 << 20)])
    cell.fact("cap", resource.getrlimit(resource.RLIMIT_DATA)[0] != resource.RLIM_INFINITY)
    cell.fact("session", os.getsid(0) == os.getpid())
    cell.fact("devices", torch.cuda.device_count())
    print("printed " * 1000)


@scenario(
    title="More than the policy allows",
    params={"devices": ("none", "2")},
    needs=lambda devices: () if devices == "none" else (f"virtual-cuda:{devices}",),
)
def takes_too_much(cell: Cell, devices: str) -> None:
    """Memory is taken, on the CPU or on a card that is large enough for it."""
    import torch

    torch.empty(1 << 30, dtype=torch.uint8, device="cpu" if devices == "none" else "cuda:1").fill_(1)
