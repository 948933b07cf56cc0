"""The record of a cell: facts as JSON, written in one piece or not at all."""

import math
import os
import time
import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, Dict, List, Optional

from compatprobe.api import Cell
from compatprobe.notices import normalise

SCHEMA = 1
_LONGEST = 20_000
_FRAMES = 200


def blank(cell: str) -> Dict[str, Any]:
    """A record in which nothing has happened yet."""
    return {
        "schema": SCHEMA,
        "cell": cell,
        "status": "done",
        "message": None,
        "checks": [],
        "exception": None,
        "unsupported": None,
        "architectures": {},
        "answered": False,
        "fingerprint": {},
        "warnings": [],
        "steps": [],
        "seconds": 0.0,
        "peak_memory": 0,
        "versions": {},
    }


def measured(cell: Cell, start: float) -> Dict[str, Any]:
    """What the cell wrote into its notebook; its steps with the seconds that each took."""
    end = time.perf_counter()
    ends = [at for _, at in cell.steps[1:]] + [end]
    return {
        "checks": [
            dict(check, measured=number(check["measured"]), limit=number(check["limit"])) for check in cell.checks
        ],
        "architectures": {str(name): bool(known) for name, known in cell.architectures.items()},
        "answered": bool(cell.answered),
        "fingerprint": plain(cell.fingerprint),
        "steps": [
            {"name": str(name), "seconds": round(ends[index] - at, 6)} for index, (name, at) in enumerate(cell.steps)
        ],
        "seconds": round(end - start, 6),
    }


def exception(error: BaseException, step: Optional[str]) -> Dict[str, Any]:
    """An exception as data; frames stand outermost first."""
    return {
        "type": _type(error),
        "message": _message(error),
        "step": step,
        "frames": _frames(error.__traceback__),
        "traceback": _cut("".join(traceback.format_exception(type(error), error, error.__traceback__))),
        "chain": _chain(error),
    }


def _type(error: BaseException) -> str:
    return "{}.{}".format(type(error).__module__, type(error).__qualname__)


def _message(error: BaseException) -> str:
    try:
        return _cut(str(error))
    except Exception as second:
        return "(its message cannot be had: {})".format(type(second).__name__)


def _cut(text: str) -> str:
    """The text, without its middle where it is too long."""
    half = _LONGEST // 2
    return (
        text
        if len(text) <= _LONGEST
        else "{}\n[... {} characters left out ...]\n{}".format(text[:half], len(text) - 2 * half, text[-half:])
    )


def _frames(trace: Optional[TracebackType]) -> List[Dict[str, Any]]:
    frames = [
        {
            "module": str(frame.f_globals.get("__name__", "?")),
            "function": frame.f_code.co_name,
            "line": line,
        }
        for frame, line in traceback.walk_tb(trace)
    ]
    return frames if len(frames) <= _FRAMES else frames[: _FRAMES // 2] + frames[-_FRAMES // 2 :]


def _chain(error: BaseException) -> List[Dict[str, str]]:
    """The exceptions behind this one, nearest first, as Python would print them."""
    chain: List[Dict[str, str]] = []
    seen = {id(error)}
    current: Optional[BaseException] = error
    while current is not None and len(chain) < 20:
        behind = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
        if behind is None or id(behind) in seen:
            break
        chain.append({"type": _type(behind), "message": _message(behind)})
        seen.add(id(behind))
        current = behind
    return chain


def number(value: float) -> Any:
    """A number for JSON: what is not finite becomes ``"inf"``, ``"-inf"`` or ``"nan"``."""
    return value if math.isfinite(value) else str(value)


def plain(value: object, depth: int = 0) -> Any:
    """Any value as JSON data; what JSON does not know becomes its normalised ``str``."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return number(value)
    if depth < 20:
        if isinstance(value, dict):
            return {str(key): plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(item, depth + 1) for item in value]
        if isinstance(value, (set, frozenset)):
            return sorted((plain(item, depth + 1) for item in value), key=str)
    return normalise(str(value))


def write(path: Path, text: str) -> None:
    """Write a file so that a reader finds all of it or nothing.

    It need not outlive a loss of power: the host reads it at once, and stores what it says.
    """
    temporary = "{}.tmp".format(path)
    with open(temporary, "w", encoding="utf-8", errors="backslashreplace") as stream:
        stream.write(text)
    os.replace(temporary, str(path))
