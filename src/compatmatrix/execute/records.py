"""Reads what a cell left in files, believing nothing: a record may be missing, cut, huge, or not a file at all."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path
from typing import Any

SCHEMA = 1
LARGEST = 32 << 20
DEEPEST = 100
"""Nesting of a record; a probe's is 20 at most. What is much deeper could be stored, but not be read again."""
_ABSENT = "left no record"

_NUMBERS = {"inf", "-inf", "nan"}
_FIELDS: dict[str, tuple[type, ...]] = {
    "status": (str,),
    "message": (str, type(None)),
    "checks": (list,),
    "exception": (dict, type(None)),
    "unsupported": (dict, type(None)),
    "architectures": (dict,),
    "fingerprint": (dict,),
    "warnings": (list,),
    "steps": (list,),
    "seconds": (int, float),
    "peak_memory": (int,),
    "versions": (dict,),
}
_STATUSES = ("done", "raised", "unsupported", "skipped")
_NEEDED_BY = {"raised": "exception", "unsupported": "unsupported"}
_EXCEPTION: dict[str, tuple[type, ...]] = {
    "type": (str,),
    "message": (str,),
    "step": (str, type(None)),
    "frames": (list,),
    "traceback": (str,),
    "chain": (list,),
}


class RecordError(Exception):
    """A record that cannot be used, and why."""


def read_record(path: Path, cell: str) -> tuple[dict[str, Any] | None, str]:
    """The record of a cell, or the reason why there is none that can be used."""
    try:
        return _checked(read_json(path, LARGEST), cell), ""
    except RecordError as error:
        return None, str(error)


def forget(workdir: Path) -> None:
    """Remove what cells and imports left in a probe's directory: nothing has been stripped from it."""
    for name in ("cell", "tmp", "home", "hf", "out"):
        shutil.rmtree(workdir / name, ignore_errors=True)
    for name in ("request.json", "ready.json", "zygote.log"):
        (workdir / name).unlink(missing_ok=True)


def read_json(path: Path, largest: int) -> Any:
    """A JSON file of limited size; raises :class:`RecordError`."""
    try:
        return json.loads(_read(path, largest), parse_constant=_no_constant)
    except RecordError:
        raise
    except (ValueError, RecursionError) as error:
        raise RecordError(f"the record is not JSON: {error or type(error).__name__}") from None


def _no_constant(text: str) -> None:
    raise RecordError(f"the record is not JSON: {text}")


def _read(path: Path, largest: int) -> bytes:
    try:  # a link or a pipe must neither be followed nor waited for
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise RecordError(_ABSENT) from None
    except OSError as error:
        raise RecordError(f"the record cannot be opened: {error.strerror}") from None
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode):
            raise RecordError("the record is not a regular file")
        if facts.st_size > largest:
            raise RecordError(f"the record is larger than {largest} bytes")
        with os.fdopen(descriptor, "rb", closefd=False) as stream:
            return stream.read(largest)
    finally:
        os.close(descriptor)


def _checked(record: Any, cell: str) -> dict[str, Any]:
    if not isinstance(record, dict):
        raise RecordError("the record is not a JSON object")
    if _is_deep(record):
        raise RecordError(f"the record is nested more than {DEEPEST} deep")
    if record.get("schema") != SCHEMA:
        raise RecordError(f"the record's schema is {record.get('schema')!r}, expected {SCHEMA}")
    if record.get("cell") != cell:
        raise RecordError(f"the record is of another cell: {record.get('cell')!r}")
    _typed(record, _FIELDS, "")
    if record["status"] not in _STATUSES:
        raise RecordError(f"status {record['status']!r}")
    needed = _NEEDED_BY.get(record["status"])
    if needed and record[needed] is None:
        raise RecordError(f"status {record['status']!r} without {needed!r}")
    if record["exception"] is not None:
        _typed(record["exception"], _EXCEPTION, "exception.")
    if record["unsupported"] is not None:
        _typed(record["unsupported"], {"name": (str,), "evidence": (str,)}, "unsupported.")
    for index, check in enumerate(record["checks"]):
        if not isinstance(check, dict) or not _is_check(check):
            raise RecordError(f"the record: checks[{index}] is not a check")
    return record


def _is_deep(record: object) -> bool:
    """Whether walking through it would exhaust the stack; this does not recurse."""
    level = [record]
    for _ in range(DEEPEST):
        level = [
            item
            for value in level
            if isinstance(value, (dict, list))
            for item in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return False
    return True


def _typed(values: dict[str, Any], fields: dict[str, tuple[type, ...]], where: str) -> None:
    for name, types in fields.items():
        if name not in values:
            raise RecordError(f"the record: {where}{name} is missing")
        if not isinstance(values[name], types) or isinstance(values[name], bool):
            raise RecordError(f"the record: {where}{name} is a {type(values[name]).__name__}")


def _is_check(check: dict[str, Any]) -> bool:
    return (
        isinstance(check.get("name"), str)
        and isinstance(check.get("detail"), str)
        and _is_number(check.get("measured"))
        and _is_number(check.get("limit"))
    )


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return value in _NUMBERS
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def read_log(path: Path, largest: int) -> str:
    """The text of a log, whatever it is made of."""
    try:
        return _read(path, largest).decode("utf-8", "replace")
    except RecordError as error:
        return "" if str(error) == _ABSENT else f"(the log cannot be read: {error})"
