"""What the panel that says which version to pin is made from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PinPanel:
    """``data`` is what the panel's script reads (its shape is told where it is made), ``command`` what does without."""

    data: dict[str, Any]
    command: str
