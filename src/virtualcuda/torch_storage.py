"""Storages on a virtual device.

A CPU build's UntypedStorage answers "Storage device not recognized: cuda"; torch.load, deepcopy and storage.cuda()
move storages to a device, and some libraries resize them to save memory.
"""

from typing import Any, Optional

import torch

from virtualcuda.runtime import shim, statistics


def _bytes_of(storage: Any) -> Any:
    """The storage as a tensor of bytes over the same memory."""
    return torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)


def _copy_to(storage: Any, device: Any) -> Any:
    copy = torch.empty(storage.nbytes(), dtype=torch.uint8, device=device)
    if storage.nbytes():
        copy.copy_(_bytes_of(storage))
    return copy.untyped_storage()


def install() -> None:
    """Teaches torch's storages about cuda."""
    untyped = torch.UntypedStorage
    base: Any = torch.storage._StorageBase
    move_elsewhere: Any = getattr(torch._utils, "_to", None)  # since 2.4
    clone_elsewhere = base.clone
    resize_elsewhere = untyped.resize_

    def move(self: Any, device: Any, non_blocking: bool = False) -> Any:
        device = torch.device(device)
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", torch.cuda.current_device())
        if device == self.device:
            return self
        if device.type == "cuda" or (self.device.type == "cuda" and move_elsewhere is None):
            return _copy_to(self, device)
        return move_elsewhere(self, device, non_blocking)

    def clone(self: Any) -> Any:
        return _copy_to(self, self.device) if self.device.type == "cuda" else clone_elsewhere(self)

    def resize(self: Any, size: int) -> Any:
        if self.device.type != "cuda":
            return resize_elsewhere(self, size)
        answer = shim().virtualcuda_resize_storage(self._cdata, size)
        if answer == -1:
            figures = statistics(self.device.index)
            raise torch.cuda.OutOfMemoryError(
                f"CUDA out of memory. Tried to allocate {size} bytes. GPU {self.device.index} has a total capacity of "
                f"{figures.total} bytes of which {figures.free} are free. (virtual device)"
            )
        if answer != 0:
            raise RuntimeError("virtualcuda: the storage could not be resized")
        return self

    base.clone = clone
    untyped.resize_ = resize
    if move_elsewhere is not None:
        torch._utils._to = move
        torch.storage._to = move

    def cuda(self: Any, device: Any = None, non_blocking: bool = False, **_: Any) -> Any:
        return move(self, _as_device(device), non_blocking)

    if hasattr(torch._utils, "_cuda"):  # up to 2.3
        torch._utils._cuda = cuda
    base.cuda = cuda


def _as_device(device: Any) -> Optional[Any]:
    if device is None or isinstance(device, int):
        return torch.device("cuda", torch.cuda.current_device() if device is None else device)
    return torch.device(device)
