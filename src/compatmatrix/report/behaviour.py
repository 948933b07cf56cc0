"""What a cell did beside its outcome, as facts, and how two cells differ, key by key. Pure.

A fingerprint is a nested mapping. Here it becomes flat facts (path -> text, numbered layers together), and
each fact belongs to an *aspect*. Aspects of :data:`INTERNAL` tell of the inside of a library (names of helper
buffers, wording of warnings); all others are what a user of the model can feel.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from compatmatrix.report.display import line, number, value
from compatmatrix.results import CellResult
from compatmatrix.text import cut, one_line

WARNING = 200
"""Characters shown of one warning."""

VALUE = 72
"""Characters shown of one fact."""

_NUMBERED = re.compile(r"(?<=\.)\d+(?=\.)")

_ASPECTS = (
    ("model.parameters", "tensors"),
    ("parameter bytes", "tensors"),
    ("loading_info", "keys"),
    ("saved_", "keys"),
    ("model.tied", "ties"),
    ("model.dtypes", "dtypes"),
    ("placement", "placement"),
    ("fits on", "placement"),
    ("plan", "placement"),
    ("model.device", "placement"),
    ("model.offloaded", "placement"),
    ("model.meta", "placement"),
    ("model.class", "class"),
    ("model.buffers", "buffers"),
    ("warnings", "warnings"),
)
"""Beginnings of paths; the first that fits gives the aspect, and anything else is :data:`OTHER`."""

OTHER = "facts"
INTERNAL = frozenset({"buffers", "warnings"})


#: The values of one fact, as JSON: one, or several where numbered layers differ.
Values = tuple[str, ...]


@dataclass(frozen=True)
class Behaviour:
    """The facts of one cell, by their paths; ``felt`` are those that are not internal."""

    digest: str
    facts: Mapping[str, Values]
    warnings: tuple[str, ...]
    felt: frozenset[tuple[str, Values]]


@dataclass(frozen=True)
class Change:
    """One fact that differs between two cells, in words."""

    aspect: str
    fact: str
    told: str


def behaviour(row: CellResult, digest: str) -> Behaviour:
    """The facts of a cell; ``digest`` is that of its fingerprint and warnings."""
    facts = _flat(row.fingerprint)
    felt = frozenset(fact for fact in facts.items() if aspect(fact[0]) not in INTERNAL)
    warnings = tuple(dict.fromkeys(line(warning, WARNING) for warning in row.warnings))
    return Behaviour(digest, facts, warnings, felt)


@functools.lru_cache(maxsize=1 << 12)
def aspect(fact: str) -> str:
    """What a fact is about, in one word."""
    return next((word for beginning, word in _ASPECTS if fact.startswith(beginning)), OTHER)


def aspects(before: Behaviour, after: Behaviour) -> tuple[str, ...]:
    """The aspects that a user can feel in which two cells differ, in a fixed order."""
    found = {aspect(fact) for fact, _ in before.felt ^ after.felt}
    return tuple(word for word in dict.fromkeys((*(word for _, word in _ASPECTS), OTHER)) if word in found)


def changes(before: Behaviour, after: Behaviour) -> tuple[Change, ...]:
    """Every fact that differs, in words; what a user can feel comes first.

    A digest differs whenever a value does, and tells a reader nothing: it is told only if nothing else of its
    aspect differs.
    """
    names = dict.fromkeys((*before.facts, *after.facts))
    told = [
        Change(aspect(name), one_line(name, 80), _told(before.facts.get(name, ()), after.facts.get(name, ())))
        for name in names
        if before.facts.get(name) != after.facts.get(name)
    ]
    plain = {change.aspect for change in told if not change.fact.endswith("digest")}
    told = [change for change in told if not change.fact.endswith("digest") or change.aspect not in plain]
    told += [Change("warnings", "warns now", text) for text in after.warnings if text not in before.warnings]
    told += [Change("warnings", "warns no more", text) for text in before.warnings if text not in after.warnings]
    return tuple(sorted(told, key=lambda change: change.aspect in INTERNAL))


@functools.lru_cache(maxsize=1 << 13)
def shown(values: Values) -> str:
    """The values of a fact as text, not too long."""
    return one_line(", ".join(_text(json.loads(each)) for each in values), 2 * VALUE)


def _text(fact: object) -> str:
    if isinstance(fact, list) and fact and all(isinstance(item, dict) and "device" in item for item in fact):
        return "; ".join(_device(item) for item in fact)
    return value(fact, VALUE)


def _device(item: Mapping[str, object]) -> str:
    """One line of a placement: ``card 0: 12.61 of 24 GiB, layers 0-31``."""
    used, room = item.get("GiB"), item.get("of GiB")
    of = f" of {number(room)}" if isinstance(room, (int, float)) else ""
    return f"{item['device']}: {used}{of} GiB" + (f", {item['holds']}" if item.get("holds") else "")


def _told(before: Values, after: Values) -> str:
    if not before:
        return f"{shown(after)}, absent before"
    if not after:
        return f"absent, was {shown(before)}"
    lists = _list(before), _list(after)
    if lists[0] is not None and lists[1] is not None:
        return _difference(lists[0], lists[1])
    was, now = shown(before), shown(after)
    return f"{now}, was {was}" if was != now else f"{now}: it differs from what was before beyond what is shown here"


def _list(values: Values) -> list[str] | None:
    """A fact that is one list of texts, such as keys."""
    items = json.loads(values[0]) if len(values) == 1 else None
    return items if isinstance(items, list) and all(isinstance(item, str) for item in items) else None


def _difference(before: list[str], after: list[str]) -> str:
    more, gone = [item for item in after if item not in before], [item for item in before if item not in after]
    told = [f"{word} {value(items, 2 * VALUE)}" for word, items in (("now", more), ("no longer", gone)) if items]
    return "; ".join(told) or "the same in another order"


def _flat(facts: object) -> dict[str, Values]:
    """Nested facts by their path; those of numbered layers together, where they are the same."""
    found: dict[str, dict[str, None]] = {}
    for path, fact in _leaves(facts, ()):
        if isinstance(fact, (str, int)):  # not a float: 0.0 and -0.0 are equal
            text = _scalar(type(fact).__name__, fact)
        else:
            text = json.dumps(fact, sort_keys=True, default=str)
        found.setdefault(_name(path), {})[text] = None
    return {name: tuple(values) for name, values in found.items()}


# The same few in thousands of cells.


@functools.lru_cache(maxsize=1 << 13)
def _name(path: tuple[str, ...]) -> str:
    return _NUMBERED.sub("*", ".".join(part for part in path if part))


@functools.lru_cache(maxsize=1 << 13)
def _scalar(_: str, fact: str | int) -> str:
    """With its type, because 1 and True are equal."""
    return json.dumps(fact)


def _leaves(facts: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
    if not isinstance(facts, dict):
        yield path, facts
        return
    for name in sorted(facts, key=str):
        yield from _leaves(facts[name], (*path, cut(str(name), 200)))
