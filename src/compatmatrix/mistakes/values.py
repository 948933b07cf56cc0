"""Mistakes that the listing of the probe shows: files that cannot be imported, and values that mean nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from compatmatrix import roots
from compatmatrix.ledger import matches
from compatmatrix.mistakes.mistake import Mistake
from compatmatrix.plan import did_you_mean

#: The other file of two that have the same id, as the probe names it.
_OTHER = re.compile(r"(?<=the same id as in ).+(?=:\d+$)")
#: Words of an error -> what to do about it.
_ADVICE = (
    (
        "ModuleNotFoundError",
        "import it inside the scenario's function: files are listed by a Python that has neither torch nor "
        "transformers",
    ),
    ("cannot stand in a cell id", "values are short strings, such as '8'; make a number of it inside the function"),
    ("must be a sequence of strings", "write it as a tuple, with a comma: ('auto',)"),
    ("unexpected keyword argument", "docs/scenarios.md lists what @scenario takes"),
    ("required keyword-only argument", "docs/scenarios.md lists what @scenario takes"),
    ("the same id as in", "give one of them another name: @scenario(name=...)"),
)


def broken(where: Sequence[Path], errors: Iterable[Mapping[str, Any]]) -> Iterator[Mistake]:
    """What the probe said of files that it could not import."""
    for error in errors:
        advice = next((advice for words, advice in _ADVICE if words in error["message"]), "")
        message = _OTHER.sub(lambda found: roots.shown(roots.source(where, found[0])), error["message"])
        yield Mistake(roots.shown(roots.source(where, error["file"])), error["line"], message, advice)


def values(where: Sequence[Path], entries: Sequence[Mapping[str, Any]]) -> Iterator[Mistake]:
    """Values that ``@scenario`` took, and that no one can use; all files must have been imported."""
    ids = [entry["id"] + variant["label"] for entry in entries for variant in entry["variants"]]
    names = sorted({name for entry in entries for name in (entry["id"], entry["family"])})
    for entry in entries:
        file = roots.shown(roots.source(where, entry["file"]))
        for message, advice in (*_sequences(entry), *_cures(entry, ids, names), *_others(entry)):
            yield Mistake(file, entry["line"], f"{entry['id']}: {message}", advice)


def _sequences(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    needs = [need for variant in entry["variants"] for need in variant["needs"]]
    for key, given in (("needs", needs), ("claims", entry["claims"]), ("cures", entry["cures"])):
        if not all(isinstance(each, str) and len(each) > 1 for each in given):
            yield f"{key} must be a sequence of strings", f"write it as a tuple, with a comma: {key}=('…',)"


def _cures(entry: Mapping[str, Any], ids: Sequence[str], names: Sequence[str]) -> Iterator[tuple[str, str]]:
    for cure in entry["cures"]:
        if isinstance(cure, str) and len(cure) > 1 and not any(matches(id, cure) for id in ids):
            told = f"cures: no scenario is called {cure!r}{did_you_mean(cure, names)}"
            yield told, "`compatmatrix list` shows their names"


def _others(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if not isinstance(entry["title"], str):
        yield f"title is {entry['title']!r}", "it is one line for the table, in quotes"
    timeout = entry["timeout"]
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, (int, float)) or timeout <= 0):
        yield f"timeout is {timeout!r}", "it is a number of seconds, such as 300"
