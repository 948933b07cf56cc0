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


FOUND = {
    "a check's limit that cannot be hashed": (
        "record",
        seed("record", checks=[{"name": "x", "detail": "", "measured": 0, "limit": []}]),
    ),
}


@pytest.mark.parametrize("what", FOUND)
def test_what_was_found_is_mended(what: str, tmp_path: Path) -> None:
    name, data = FOUND[what]
    targets.TARGETS[name](data, tmp_path)
