"""What is known of a checkpoint before anything loads it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: The dtypes of safetensors: torch's name, and bytes of a number.
DTYPES = {
    "F64": ("float64", 8),
    "F32": ("float32", 4),
    "F16": ("float16", 2),
    "BF16": ("bfloat16", 2),
    "F8_E4M3": ("float8_e4m3fn", 1),
    "F8_E5M2": ("float8_e5m2", 1),
    "I64": ("int64", 8),
    "U64": ("uint64", 8),
    "I32": ("int32", 4),
    "U32": ("uint32", 4),
    "I16": ("int16", 2),
    "U16": ("uint16", 2),
    "I8": ("int8", 1),
    "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
}
#: What a model can be computed in.
COMPUTED = ("float32", "float16", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """A tensor by its header: ``start`` and ``end`` are bytes of its file."""

    file: str
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def numbers(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True, kw_only=True)
class Found:
    """A checkpoint: its configuration, and what its files say that they hold.

    ``tensors`` is empty where the weights are pickled, or were not fetched; ``stored`` is the dtype that most numbers
    have. ``code`` names the checkpoint's own classes (``auto_map``), ``notes`` what a reader should know.
    """

    directory: Path
    config: Mapping[str, Any]
    generation: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    bytes: int = 0
    largest_file: int = 0
    stored: str = "float32"
    code: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def pickled(self) -> bool:
        return any(not file.endswith(".safetensors") for file in self.weights)

    @property
    def parameters(self) -> int:
        """How many numbers there are; counted by bytes where the headers do not say it."""
        if self.tensors:
            return sum(tensor.numbers for tensor in self.tensors.values())
        return self.bytes // WIDTHS.get(self.stored, 4)

    @property
    def model_types(self) -> tuple[str, ...]:
        """The model types of the configuration and of its parts."""
        parts = [self.config, *(value for value in self.config.values() if isinstance(value, Mapping))]
        found = [part.get("model_type") for part in parts]
        return tuple(dict.fromkeys(kind for kind in found if isinstance(kind, str) and kind))

    @property
    def quantised(self) -> str:
        """How the weights are quantised; empty where they are not."""
        told = self.config.get("quantization_config")
        return str(told.get("quant_method", "an unnamed method")) if isinstance(told, Mapping) else ""


WIDTHS = dict(DTYPES.values())
