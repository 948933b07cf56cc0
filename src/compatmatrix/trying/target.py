"""The scenario root of one checkpoint: the generic files that were chosen, and what they are told."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from compatmatrix.errors import StorageError
from compatmatrix.trying.choose import FAMILY, Asked, Choice
from compatmatrix.trying.content import Content
from compatmatrix.trying.estimate import GIB, Estimate
from compatmatrix.trying.found import COMPUTED, Found

SCENARIOS = Path(__file__).parent / "scenarios" / FAMILY
_TARGET = "_target.py"
_TEXT = '''"""The checkpoint that is tried; written by `compatmatrix try`."""

import json
from typing import Any, Dict

TARGET: Dict[str, Any] = json.loads({text!r})
'''


def name_of(directory: Path, given: str) -> str:
    """A name for a checkpoint's own directory: readable in any script, and one for each checkpoint."""
    readable = re.sub(r"[^\w.+-]+", "-", given.rstrip("/").rpartition("/")[2] or directory.name).strip("-.")[:60]
    return f"{readable or 'checkpoint'}-{hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:8]}"


def told(
    found: Found, choice: Choice, asked: Asked, content: Content, estimate: Estimate, timeout: float
) -> dict[str, Any]:
    """What the scenarios are told (JSON); the results are keyed by it, through their source."""
    return {
        "path": str(found.directory.resolve()),
        "content": content.digest,
        "config": found.config,
        "generation": found.generation,
        "primary": choice.primary,
        "whole": choice.whole,
        "model_types": found.model_types,
        "weights": found.weights,
        "stored": found.stored if found.stored in COMPUTED else "float32",
        "not_finite": content.not_finite,
        "code": found.code,
        "trust": asked.trust,
        "in_float64": choice.in_float64,
        "timeout": timeout,
        "shapes": {name: tensor.shape for name, tensor in found.tensors.items()} if choice.unloaded else {},
        "room": estimate.room // GIB * GIB if choice.unloaded else 0,
        "cells": {
            name: {"names": cells.names, "cells": [list(cell) for cell in cells.cells]}
            for name, cells in choice.cells.items()
        },
    }


def write(root: Path, choice: Choice, target: Mapping[str, Any]) -> Path:
    """Write the root; what stands there from another try goes. Raises :class:`StorageError`."""
    family = root / FAMILY
    try:
        if family.exists():
            shutil.rmtree(family)
        family.mkdir(parents=True)
        for path in sorted(SCENARIOS.glob("*.py")):
            if path.name.startswith("_") or path.stem in choice.cells:
                shutil.copyfile(path, family / path.name)
        text = json.dumps(target, sort_keys=True, ensure_ascii=True)
        (family / _TARGET).write_text(_TEXT.format(text=text), encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"{family}: {error}", hint="make the directory writable, or name another by --state"
        ) from error
    return root
