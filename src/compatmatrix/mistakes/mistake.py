"""One mistake, as it is printed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Mistake:
    """A mistake in a scenario file, and the next step where the message does not say it."""

    file: str
    line: int
    message: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f"\n    {self.advice}" if self.advice else ""
        return f"  {self.file}:{self.line}: {self.message}{advice}"
