"""Runs by hand: versions, and what each cell did in them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from compatmatrix.results import (
    CellResult,
    Column,
    EnvFailure,
    EnvReason,
    Machine,
    Outcome,
    Package,
    Run,
    Scenario,
    Substitute,
    Variant,
)

NOW = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
HASH = "0" * 64

#: One letter for each way in which a cell can end; ``k`` is red with a known issue, ``~`` passed in its second attempt.
LETTERS: dict[str, dict[str, Any]] = {
    "p": {"outcome": Outcome.PASS},
    "f": {"outcome": Outcome.FAIL, "signature": "ValueError: meta"},
    "w": {"outcome": Outcome.WRONG, "signature": "wrong: tensors"},
    "k": {"outcome": Outcome.WRONG, "signature": "wrong: tensors"},
    "u": {"outcome": Outcome.UNSUPPORTED, "reason": "KeyError: 'gemma3'"},
    "s": {"outcome": Outcome.SKIPPED, "reason": "needs cuda: there is none"},
    "e": {"outcome": Outcome.ENV_FAIL, "reason": "unreachable"},
    "n": {"outcome": Outcome.NOT_RUN, "reason": "planned, but not run yet"},
    "~": {"outcome": Outcome.PASS, "attempts": (Outcome.TIMEOUT, Outcome.PASS)},
}


def column(version: str, transformers: str = "", lock: str = "", **more: Any) -> Column:
    """A column with a lock of a few packages; ``lock`` replaces the line of transformers."""
    number = transformers or version
    packages = (("accelerate", "1.15.0"), ("torch", "2.13.0+cpu"), ("transformers", number))
    lines = [f"{name}=={there} \\\n    --hash=sha256:{HASH}" for name, there in packages[:2]]
    lines.append(lock or f"transformers=={number} \\\n    --hash=sha256:{HASH}")
    text = "# CPython 3.11.7, linux-x86_64\n" + "\n".join(lines) + "\n"
    return Column.model_validate(
        {
            "version": version,
            "source": f"transformers=={number}",
            "transformers": number,
            "python": "3.11.7",
            "torch": "2.13.0+cpu",
            "accelerate": "1.15.0",
            "packages": [Package(name=name, version=there) for name, there in packages],
            "lock": text,
            "lock_hash": hashlib.sha256(text.encode()).hexdigest(),
            "definition": f"d{version}",
            **more,
        }
    )


def substitute(version: str, shows: str) -> Column:
    return column(version, shows, substitute=Substitute(shows=shows, because="the repository cannot be reached"))


def gone(version: str) -> Column:
    return Column(version=version, failure=EnvFailure(reason=EnvReason.UNREACHABLE, message="nobody there"))


def run(columns: Sequence[Column], cells: Mapping[str, str], issue: str = "an-issue") -> Run:
    """``cells`` maps a cell id to one letter for each column, in their order (see :data:`LETTERS`)."""
    scenarios: dict[str, list[str]] = {}
    for cell in cells:
        name, bracket, rest = cell.partition("[")
        scenarios.setdefault(name, []).append(bracket + rest)
    results: list[CellResult] = []
    known: dict[str, dict[str, str]] = {}
    for cell, letters in cells.items():
        assert len(letters) == len(columns), cell
        for shown, letter in zip(columns, letters, strict=True):
            row = {"cell": cell, "version": shown.version, "measured_at": NOW, **LETTERS[letter]}
            results.append(CellResult.model_validate(row))
            if letter == "k":
                known.setdefault(shown.version, {})[cell] = issue
    return Run(
        id="20261121T120000Z-0",
        started=NOW,
        finished=NOW,
        compatmatrix="0",
        machine=Machine(system="Linux", architecture="x86_64", python="3.11.7", cpus=2, memory=1),
        columns=tuple(columns),
        scenarios=tuple(
            Scenario(id=id, title=id, family=id.split("/")[0], variants=tuple(Variant(label=each) for each in labels))
            for id, labels in scenarios.items()
        ),
        results=tuple(results),
        known=known,
    )


def runs_of(versions: Sequence[str], cells: Mapping[str, str]) -> Run:
    """A run of plain columns."""
    return run([column(version) for version in versions], cells)
