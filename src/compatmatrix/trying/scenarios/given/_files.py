"""The tensors of the checkpoint's files, by the files' own names, read one at a time."""

from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import torch

from . import _asked


class Files:
    """What is in the weight files.

    Args:
        directory: where they are.
        weights: their names, relative to it; safetensors, or what ``torch.save`` writes. Of the latter nothing but
            tensors is unpickled.

    Attributes:
        names: of all tensors, file by file.
    """

    def __init__(self, directory: Path, weights: Sequence[str]) -> None:
        self._directory = directory
        self._where: Dict[str, str] = {}
        self._open: Dict[str, Any] = {}
        self._bad: Optional[Dict[str, int]] = None
        for file in weights:
            self._where.update(dict.fromkeys(self._keys(file), file))
        self.names: List[str] = list(self._where)

    def __getitem__(self, name: str) -> torch.Tensor:
        file = self._where[name]
        opened = self._opened(file)
        found: torch.Tensor = opened.get_tensor(name) if file.endswith(".safetensors") else opened[name]
        return found

    def not_finite(self) -> Dict[str, int]:
        """Tensor -> how many of its numbers are not finite; the host counted them where it can read the files."""
        if self._bad is None:
            self._bad = dict(_asked.NOT_FINITE)
            for name in () if _asked.COUNTED else self.names:
                tensor = self[name]
                count = int((~tensor.isfinite()).sum()) if tensor.is_floating_point() else 0
                self._bad.update({name: count} if count else {})
        return self._bad

    def _keys(self, file: str) -> List[str]:
        opened = self._opened(file)
        if file.endswith(".safetensors"):
            return list(opened.keys())
        return [name for name, value in opened.items() if isinstance(value, torch.Tensor)]

    def _opened(self, file: str) -> Any:
        """One file is open at a time: a pickled one is in memory as a whole."""
        if file not in self._open:
            self._open.clear()
            self._open[file] = _read(self._directory / file)
        return self._open[file]


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        return safe_open(str(path), framework="pt")
    try:
        return torch.load(str(path), map_location="cpu", weights_only=True, mmap=True)
    except (RuntimeError, TypeError):  # the format before torch 1.6 cannot be mapped, older torch has no mmap
        return torch.load(str(path), map_location="cpu", weights_only=True)
