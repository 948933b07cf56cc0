"""What fuzzing found once: each broke a target, and must not again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fuzz import targets


def seed(name: str, **changes: Any) -> bytes:
    """The good input of a target with some of its keys changed."""
    return json.dumps({**json.loads(targets.SEEDS[name]), **changes}).encode()


def nested(depth: int) -> Any:
    """Lists in lists."""
    return [nested(depth - 1)] if depth else []


STORE = targets.SEEDS["store"]
FOUND = {
    "a check's limit that cannot be hashed": (
        "record",
        seed("record", checks=[{"name": "x", "detail": "", "measured": 0, "limit": []}]),
    ),
    "a fingerprint that can be stored and not read again": ("record", seed("record", fingerprint={"x": nested(150)})),
    "a run whose id names no file": ("run", seed("run", id="202 6-03-14-a")),
    "a run with a row of no column": ("run", seed("run", columns=json.loads(targets.SEEDS["run"])["columns"][1:])),
    "a store with garbage for the name of a table": (
        "store",
        targets.SEEDS["store"].replace(b"results", b"r\xf9\xffults"),
    ),
}


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_is_mended(what: str, tmp_path: Path) -> None:
    name, data = FOUND[what]
    targets.TARGETS[name](data, tmp_path)
