"""Damages good input: trees of JSON and YAML by their grammar, and text byte by byte.

Everything is drawn from a ``random.Random``. Hypothesis gives one that it can shrink, a fuzzer one from a seed.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

import yaml

JUNK: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 3.5, 2**63, -(2**70), 10**400, 1e308, float("nan"), float("inf")),
    *("", " ", "x", "*", "[", "[a]", "?", "**", "..", "/", "\\", "-", "null", "1.0", "4.50", "newest", "3.11", "nan"),
    *("pass", "wrong", "not-run", "llama/*", "llama/a[b,c]", "2026-01-01T00:00:00", "2026-01-01T00:00:00Z"),
    *("9999-12-31", "0001-01-01T00:00:00+14:00", ">=4", ">=4,<", "==", "~=1", "1!2.0.post3", "a" * 5000),
    *("\u202e\x00\x1b[31m", "\ud800", "💥", "<script>alert(1)</script>", "${x}", "{{ x }}", "%s%n", "\n", "a\tb"),
    *("https://user:pw@host/x", [], {}, [[]], [None], {"": ""}, {"id": "x"}, [{}], ["a", "a"], {"pypi": "1.0"}),
)


def tree(data: Any, dice: Random, most: int = 3) -> Any:
    """A copy of JSON data with one to ``most`` places changed: replaced, removed, doubled, moved, renamed, nested."""
    data = copy.deepcopy(data)
    for _ in range(dice.randint(1, most)):
        places = list(_places(data))
        holder, key = dice.choice(places) if places else (None, None)
        if holder is None:
            return dice.choice(JUNK)
        dice.choice(_CHANGES)(holder, key, dice, places)
    return data


def _places(data: Any) -> list[tuple[Any, Any]]:
    """Every (container, key or index) of a tree."""
    found: list[tuple[Any, Any]] = []
    waiting = [data]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder)) if isinstance(holder, list) else ()
        for key in keys:
            found.append((holder, key))
            waiting.append(holder[key])
    return found


def _replace(holder: Any, key: Any, dice: Random, _: Any) -> None:
    holder[key] = copy.deepcopy(dice.choice(JUNK))


def _remove(holder: Any, key: Any, dice: Random, _: Any) -> None:
    del holder[key]


def _double(holder: Any, key: Any, dice: Random, _: Any) -> None:
    if isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    else:
        holder[f"{key}{dice.choice('s2_ ')}"] = copy.deepcopy(holder[key])


def _move(holder: Any, key: Any, dice: Random, places: list[tuple[Any, Any]]) -> None:
    other, name = dice.choice(places)
    try:
        holder[key] = copy.deepcopy(other[name])
    except (KeyError, IndexError):
        holder[key] = None  # the other place has gone with a change before


def _rename(holder: Any, key: Any, dice: Random, _: Any) -> None:
    if isinstance(holder, dict):
        holder[str(dice.choice(JUNK))] = holder.pop(key)
    else:
        dice.shuffle(holder)


def _nest(holder: Any, key: Any, dice: Random, _: Any) -> None:
    for _ in range(dice.choice((1, 2, 50))):
        holder[key] = [holder[key]] if dice.random() < 0.5 else {"x": holder[key]}


def _edit(holder: Any, key: Any, dice: Random, _: Any) -> None:
    value = holder[key]
    if isinstance(value, str):
        at = dice.randint(0, len(value))
        holder[key] = value[:at] + str(dice.choice(JUNK)) + value[at + dice.randint(0, 3) :]
    elif isinstance(value, (int, float)) and abs(value) < 1e100:
        holder[key] = dice.choice((-value, value + 1, str(value), float(value), value * 10**6))
    else:
        _replace(holder, key, dice, _)


_CHANGES: tuple[Callable[[Any, Any, Random, Any], None], ...] = (
    *(_replace, _replace, _remove, _double, _move, _rename, _nest, _edit, _edit),
)

_PIECES = (
    *(b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\t", b"\r", b"---\n", b"...\n", b"%YAML 9.9\n", b"&a ", b"*a", b"!x "),
    *(b"!!python/none ", b"!!binary x", b"!!set {a}", b"? ", b": ", b"- ", b"|", b">", b"{", b"}", b"[", b"]", b"'"),
    *(b'"', b"#", b"<<: ", b"~", b"1e999", b"0x1F", b"1_000", b"2026-99-99", b"0o7", b"\\ud800", b"NaN", b"Infinity"),
    *(b"[" * 3000, b"&a [*a]", b"&a {x: *a}", b"{<<: *a}"),
)


def text(data: bytes, dice: Random, most: int = 3) -> bytes:
    """Bytes with one to ``most`` places changed: cut, doubled, overwritten, pieces of syntax put in."""
    for _ in range(dice.randint(1, most)):
        start = dice.randint(0, len(data))
        end = min(len(data), start + dice.randint(0, 20))
        piece = dice.choice((b"", data[start:end] * 2, bytes([dice.randint(0, 255)]), dice.choice(_PIECES)))
        data = data[:start] if dice.random() < 0.1 else data[:start] + piece + data[dice.choice((start, end)) :]
    return data


def as_json(data: Any, dice: Random) -> bytes:
    """A tree as JSON, with what Python writes of numbers that JSON does not know; now and then damaged as text."""
    written = json.dumps(data, default=str, ensure_ascii=dice.random() < 0.5).encode("utf-8", "surrogatepass")
    return text(written, dice) if dice.random() < 0.2 else written


def as_yaml(data: Any, dice: Random) -> bytes:
    """A tree as YAML (JSON is, too); now and then damaged as text."""
    if dice.random() < 0.3:
        return as_json(data, dice)
    try:
        written = yaml.safe_dump(data, sort_keys=False, allow_unicode=True).encode("utf-8", "surrogatepass")
    except (yaml.YAMLError, ValueError):
        return as_json(data, dice)
    return text(written, dice) if dice.random() < 0.4 else written
