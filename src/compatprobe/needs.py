"""What a cell needs of the machine, and whether it is there."""

import importlib
import importlib.metadata
import importlib.util
import os
import shutil
from typing import Callable, Dict, Optional, Sequence

#: Each virtual device's memory until the scenario sets another: enough never to be in the way. transformers 5
#: reserves "total less 1.2 GiB" while it loads, which would be negative on a smaller card.
VIRTUAL_MEMORY = "4GiB"


def lacking(needs: Sequence[str], virtual_cuda: int) -> Optional[str]:
    """The first need that this machine does not meet, in words; nothing where all are met.

    ``cuda`` and ``cuda:2`` are real cards, ``virtual-cuda:2`` emulated ones; ``compiler`` is g++;
    ``package:NAME`` is a distribution or a module; ``env:NAME`` is a variable of the host's environment, which
    it sends to the cells that ask for it and to no other. A need that is not known is not met.
    """
    for need in needs:
        kind, _, value = need.partition(":")
        check = _CHECKS.get(kind)
        reason = check(value, virtual_cuda) if check else "which this probe does not know"
        if reason:
            return "needs {}: {}".format(need, reason)
    return None


def configure(needs: Sequence[str]) -> int:
    """Give the cell as many virtual devices as it asked for, and return their number; the process may have more."""
    count = 0
    for need in needs:
        kind, _, value = need.partition(":")
        if kind == "virtual-cuda":
            count = _number(value)
            importlib.import_module("virtualcuda").configure(count, VIRTUAL_MEMORY)
    return count


def _cuda(value: str, virtual_cuda: int) -> Optional[str]:
    if virtual_cuda:
        return "the devices of this process are virtual"
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return None if count >= _number(value) else _there_are(count)


def _virtual_cuda(value: str, virtual_cuda: int) -> Optional[str]:
    return None if virtual_cuda >= _number(value) else _there_are(virtual_cuda)


def _number(value: str) -> int:
    return int(value) if value.isdigit() else 1


def _there_are(count: int) -> str:
    return "there is none" if not count else "there are only {}".format(count)


def _compiler(_value: str, _virtual_cuda: int) -> Optional[str]:
    return None if shutil.which("g++") else "there is no g++ on PATH"


def _package(value: str, _virtual_cuda: int) -> Optional[str]:
    try:
        importlib.metadata.version(value)
    except importlib.metadata.PackageNotFoundError:
        if not value.isidentifier() or importlib.util.find_spec(value) is None:
            return "it is not installed"
    return None


def _variable(value: str, _virtual_cuda: int) -> Optional[str]:
    return None if os.environ.get(value) else "it is not set"


_CHECKS: Dict[str, Callable[[str, int], Optional[str]]] = {
    "cuda": _cuda,
    "virtual-cuda": _virtual_cuda,
    "compiler": _compiler,
    "package": _package,
    "env": _variable,
}
