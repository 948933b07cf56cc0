"""The variables that a cell asked for, and what it left without them and without where it ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from compatmatrix.redaction import mask

_PREFIX = "env:"


def asked(needs: Sequence[str], environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that the needs name (``env:HF_TOKEN``), as far as the host has them."""
    names = [need[len(_PREFIX) :] for need in needs if need.startswith(_PREFIX)]
    return {name: environ[name] for name in names if environ.get(name)}


def without(facts: Any, workdir: Path, environ: Mapping[str, str]) -> Any:
    """Facts without the probe's directory, which tells where a run was made and would differ from the next, and
    without the variables' values (of at least 8 characters). The names of a record's own fields and its status stay.
    """
    places = _places(workdir)
    if isinstance(facts, dict):
        hidden = {key: _hidden(value, places, environ) for key, value in facts.items()}
        return {**hidden, **{key: facts[key] for key in ("status", "cell") if key in facts}}
    return _hidden(facts, places, environ)


@lru_cache(maxsize=1 << 6)
def _places(workdir: Path) -> tuple[str, str]:
    """A probe's directory as it is, and as it was named; asked for three times a cell."""
    return str(workdir.resolve()), str(workdir)


def _hidden(facts: Any, places: Sequence[str], environ: Mapping[str, str]) -> Any:
    if isinstance(facts, str):
        for place in places:
            facts = facts.replace(place, "<tmp>")
        return mask(facts, environ.values()) if environ else facts
    if isinstance(facts, dict):
        return {_hidden(key, places, environ): _hidden(value, places, environ) for key, value in facts.items()}
    if isinstance(facts, list):
        return [_hidden(value, places, environ) for value in facts]
    return facts
