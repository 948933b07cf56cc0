"""What earlier runs said: a run as a small snapshot, and per cell what changed when. Pure.

A snapshot keeps of a run what a timeline and an outcome-level comparison need: what each column showed, and per
cell its outcome, its news, the cause of a failure and a digest of its behaviour. Its text is JSON with one line
for each variant, and its columns in the order of ``columns``::

    "llama/auto-model": {"source": "90ab12cd", "cells": {
    "[tied,disk]":"pk3vza = fK/3"

Each word is one column: the outcome's letter, the news' capital letter (if there is news), five characters of the
digest of fingerprint and warnings (if the cell left any), ``/`` and the number of the cause in ``causes`` (if the
cell did not pass), ``~`` for a flaky cell; ``=`` is the same word as before, ``-`` no such cell.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from compatmatrix.history.words import Seen, join, row, seen, spell
from compatmatrix.reading import RUN_ID
from compatmatrix.results import Column, News, Outcome, Run

SCHEMA: Literal[1] = 1


class Shown(BaseModel):
    """What a column showed: exactly this, whatever it is named for. ``lock`` is the beginning of the lock's hash."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: str
    transformers: str = ""
    commit: str = ""
    lock: str = ""
    substitute: bool = False
    failure: str = Field(default="", description="why there was no environment")

    @property
    def told(self) -> str:
        """``4.50.0 (for 4.50.dev)``, ``5.24.0.dev0 at 1c0f782fe5f9``, ``4.46.3``, or ``unreachable``."""
        if self.failure:
            return self.failure
        shown = self.transformers + (f" at {self.commit[:12]}" if self.commit else "")
        return f"{shown} (for {self.version})" if self.substitute else shown


class Rows(BaseModel):
    """The variants of one scenario: label -> a word for each column. ``source`` is a hash of what was tried."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str = ""
    cells: dict[str, str]


class Snapshot(BaseModel):
    """One run, in short. Where ``same_as`` names another run, that one holds columns and cells for this one too."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_number: Literal[1] = Field(default=SCHEMA, alias="schema", serialization_alias="schema")
    id: str = Field(pattern=RUN_ID)
    finished: AwareDatetime
    measured: AwareDatetime | None = Field(default=None, description="when the newest of its results was measured")
    compatmatrix: str = ""
    compared_with: str | None = None
    same_as: str | None = Field(default=None, pattern=RUN_ID, description="the run that said the same, in every cell")
    columns: tuple[Shown, ...] = ()
    causes: tuple[str, ...] = ()
    scenarios: dict[str, Rows] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _another(self) -> Snapshot:
        if self.same_as == self.id:
            raise ValueError("it says the same as itself")
        return self

    @cached_property
    def cells(self) -> dict[str, tuple[Seen | None, ...]]:
        """Cell -> what it did in each column; raises ``ValueError`` for words that mean nothing."""
        known: dict[str, Seen | None] = {"-": None}
        return {
            scenario + label: row(words, self.causes, len(self.columns), known)
            for scenario, rows in self.scenarios.items()
            for label, words in rows.cells.items()
        }

    @cached_property
    def _index(self) -> dict[str, int]:
        return {column.version: index for index, column in enumerate(self.columns)}

    def column(self, version: str) -> Shown | None:
        """What a column showed, if the run had it."""
        index = self._index.get(version)
        return None if index is None else self.columns[index]

    def seen(self, version: str, cell: str) -> Seen | None:
        """What a cell did; None where the run did not plan it."""
        row, index = self.cells.get(cell), self._index.get(version)
        return None if row is None or index is None else row[index]

    @property
    def complete(self) -> bool:
        """Every column had an environment, and every planned cell was run: a successful run, whatever it found."""
        silent = (Outcome.ENV_FAIL, Outcome.NOT_RUN)
        return (
            bool(self.columns)
            and not any(column.failure for column in self.columns)
            and not any(seen.outcome in silent for row in self.cells.values() for seen in row if seen)
        )

    def news(self) -> dict[News, int]:
        """How many cells had which news, as the run itself counted them."""
        every = [seen.news for row in self.cells.values() for seen in row if seen]
        return {kind: count for kind in News if kind is not News.NONE and (count := every.count(kind))}

    def says(self) -> str:
        """A digest of everything but when it was said and against what."""
        told = self.model_dump(mode="json", include={"columns", "causes", "scenarios"})
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def short(self, other: Snapshot) -> Snapshot:
        """This run as one that says the same as another."""
        return Snapshot(**self._head(), same_as=other.same_as or other.id)

    def full(self, other: Snapshot) -> Snapshot:
        """This short run with what the other one holds for it."""
        return other.model_copy(update={**self._head(), "same_as": self.same_as})

    def _head(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("id", "finished", "measured", "compatmatrix", "compared_with")}

    def to_json(self) -> str:
        """One line for each column, cause and variant."""
        plain = self.model_dump(mode="json", by_alias=True, exclude_defaults=True)
        head = {"schema": SCHEMA, **{name: plain[name] for name in plain if name not in ("schema", *_LISTS)}}
        parts = [f"{_dump(name)}: {_dump(value)}" for name, value in head.items()]
        if not self.same_as:
            parts.append('"columns": [\n' + ",\n".join(map(_dump, plain.get("columns", ()))) + "\n]")
            parts.append('"causes": [\n' + ",\n".join(map(_dump, self.causes)) + "\n]")
            parts.append('"scenarios": {\n' + ",\n".join(_rows(*item) for item in self.scenarios.items()) + "\n}")
        return "{\n" + ",\n".join(parts) + "\n}\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Snapshot:
        """Raises ``ValueError`` where the text is not a snapshot of this schema, cells included."""
        found = cls.model_validate_json(text)
        _ = found.cells
        return found


_LISTS = ("columns", "causes", "scenarios")


def _dump(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _rows(scenario: str, rows: Rows) -> str:
    cells = ",\n".join(f"{_dump(label)}:{_dump(words)}" for label, words in rows.cells.items())
    return f'{_dump(scenario)}: {{"source": {_dump(rows.source)}, "cells": {{\n{cells}\n}}}}'


# -- from a run


def snapshot(run: Run) -> Snapshot:
    """What is kept of a run."""
    causes: dict[str, int] = {}
    rows = {
        (row.version, row.cell): spell(seen(row, run.news.get(row.version, {}).get(row.cell, News.NONE)), causes)
        for row in run.results
    }
    versions = [column.version for column in run.columns]
    scenarios = {
        scenario.id: Rows(
            source=scenario.source_hash[:8],
            cells={
                label: join([rows.get((version, scenario.id + label), "-") for version in versions])
                for label in (variant.label for variant in scenario.variants)
            },
        )
        for scenario in run.scenarios
    }
    return Snapshot(
        id=run.id,
        finished=run.finished,
        measured=max((row.measured_at for row in run.results if row.measured_at), default=None),
        compatmatrix=run.compatmatrix,
        compared_with=run.compared_with,
        columns=tuple(_shown(column) for column in run.columns),
        causes=tuple(causes),
        scenarios=scenarios,
    )


def _shown(column: Column) -> Shown:
    return Shown(
        version=column.version,
        transformers=column.transformers,
        commit=column.commit or "",
        lock=column.lock_hash[:12],
        substitute=column.substitute is not None,
        failure=column.failure.reason.value if column.failure else "",
    )
