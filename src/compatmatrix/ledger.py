"""The ledger: the reviewed list of known issues, and which cells each of them explains. Pure."""

from __future__ import annotations

import datetime
import fnmatch
import functools
from collections.abc import Iterable, Sequence
from typing import Annotated

from packaging.specifiers import SpecifierSet
from pydantic import BaseModel, ConfigDict, Field, model_validator

from compatmatrix.matrix_texts import Specifier, Why
from compatmatrix.results import CellResult, Column, Outcome


class Issue(BaseModel):
    """One known issue; it explains a red cell when cell, version, outcome and signature all match."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
    title: Why = Field(description="one line for the table")
    cells: tuple[str, ...] = Field(min_length=1, description="globs over cell ids; * and ? only")
    versions: Specifier = Field(description="range of the transformers version that is really installed")
    outcome: Outcome
    signature: str | tuple[str, ...] = Field(
        default="*", description="glob over the signature or the reason, or several; * stands for any text"
    )
    cause: Why = Field(description="in two sentences")
    evidence: str = ""
    links: tuple[str, ...] = ()
    cures: tuple[str, ...] = Field(default=(), description="ids of scenarios that were seen to help")
    fixed_in: str | None = None
    review: datetime.date = Field(description="date to look again")

    @model_validator(mode="after")
    def _explains_something_bad(self) -> Issue:
        if not self.outcome.red:
            raise ValueError(f"a known issue explains a red outcome, and {self.outcome.value!r} is not red")
        return self

    def explains(self, result: CellResult, column: Column) -> bool:
        """Whether this is the known reason for that cell's outcome."""
        return (
            result.outcome is self.outcome
            and _admits(self.versions, column.transformers)
            and any(matches(result.cell, glob) for glob in self.cells)
            and any(_like(result.signature or result.reason, glob) for glob in self._signatures)
        )

    @property
    def _signatures(self) -> tuple[str, ...]:
        return (self.signature,) if isinstance(self.signature, str) else self.signature


class Ledger(BaseModel):
    """All known issues."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    issues: tuple[Issue, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Ledger:
        ids = [issue.id for issue in self.issues]
        for id in ids:
            if ids.count(id) > 1:
                raise ValueError(f"issues: the id {id!r} is there twice")
        return self

    def explanation(self, result: CellResult, column: Column) -> Issue | None:
        """The first issue that explains a cell."""
        return next((issue for issue in self.issues if issue.explains(result, column)), None)

    def unmatched(self, results: Iterable[CellResult], columns: Sequence[Column]) -> list[Issue]:
        """Issues that explain no cell although cells that they speak of were measured: news, perhaps good news."""
        by_version = {column.version: column for column in columns}
        rows = [row for row in results if row.outcome.answered]
        return [
            issue
            for issue in self.issues
            if any(_speaks_of(issue, row, by_version[row.version]) for row in rows)
            and not any(issue.explains(row, by_version[row.version]) for row in rows)
        ]


def _speaks_of(issue: Issue, result: CellResult, column: Column) -> bool:
    return _admits(issue.versions, column.transformers) and any(matches(result.cell, glob) for glob in issue.cells)


@functools.lru_cache(maxsize=1 << 14)
def _admits(versions: str, transformers: str) -> bool:
    # Asked for every cell, and answered the same for a whole column.
    return SpecifierSet(versions).contains(transformers, prereleases=True)


@functools.lru_cache(maxsize=1 << 15)
def matches(cell: str, glob: str) -> bool:
    """Whether a cell id is meant by a glob: the id, its scenario, its family; ``*`` and ``?`` only.

    >>> [matches("llama/auto-model[disk]", g) for g in ("llama", "llama/*", "llama/auto-model", "*[disk]", "gemma3")]
    [True, True, True, True, False]
    """
    scenario = cell.split("[", 1)[0]
    return any(_like(candidate, glob) for candidate in (cell, scenario, scenario.split("/", 1)[0]))


def _like(text: str, glob: str) -> bool:
    # Brackets belong to cell ids and to messages: they are never character classes here.
    return fnmatch.fnmatchcase(text, glob.replace("[", "[[]"))
