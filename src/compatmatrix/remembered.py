"""The cell ids that the last command found, kept for the shell's completion, which must not take the time to ask."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

_FILE = "cells.txt"


def remember(state: Path, cells: Iterable[str]) -> None:
    """Keep these ids in a state directory; where that cannot be written, nothing is lost."""
    text = "".join(f"{cell}\n" for cell in cells)
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if text != _text(state):
            state.mkdir(parents=True, exist_ok=True)
            (state / _FILE).write_text(text, encoding="utf-8")


def cells(state: Path) -> list[str]:
    """What was kept, or nothing."""
    try:
        return _text(state).splitlines()
    except UnicodeDecodeError:
        return []


def _text(state: Path) -> str:
    try:
        return (state / _FILE).read_text(encoding="utf-8")
    except OSError:
        return ""
