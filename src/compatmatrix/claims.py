"""Published claims, and the cells that test them: the models of ``claims.yaml``. Pure.

A claim names the cells that test it and how they do, never a version's expected answer. What a condition
asks of the cells of one column is told by the key that it begins with; a claim with several holds where
all of them do. Cells that a column could not answer (unsupported, skipped, without an environment) prove
nothing in either direction.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any

from packaging.specifiers import SpecifierSet
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from compatmatrix.matrix_texts import Specifier, Why
from compatmatrix.results import Column

Globs = Annotated[tuple[str, ...], Field(min_length=1)]


class Answer(str, Enum):
    """What a run says of a claim in one column."""

    HOLDS = "holds"
    DOES_NOT_HOLD = "does not hold"
    CANNOT_BE_TESTED = "cannot be tested here"


class Model(BaseModel):
    """Frozen, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Fails(Model):
    """It raises this message: a cell is red with one of the signatures."""

    fails: Globs
    signature: Globs


class Works(Model):
    """It works: every cell that could be tested passes."""

    works: Globs


class Silent(Model):
    """It goes wrong without an error: a cell is ``wrong``."""

    silent: Globs


class Fixed(Model):
    """It was repaired: every cell passes, and one was red with the signature in an earlier version."""

    fixed: Globs
    signature: Globs


class Apart(Model):
    """Each of these needs an environment of its own: at most one of the globs passes as a whole."""

    apart: Globs


class Keeps(Model):
    """A measured check holds wherever it was reached."""

    keeps: Globs
    checks: Globs


class Breaks(Model):
    """A measured check does not hold in some cell."""

    breaks: Globs
    checks: Globs


class Cures(Model):
    """A scenario passes wherever the variant of another with the same label is red with the signature."""

    cures: str = Field(description="id of the scenario that is the cure")
    failing: str = Field(description="id of the scenario that it is said to cure")
    signature: Globs


class Ratio(Model):
    """A measured fact: one of its numbers divided by another is at most this."""

    ratio: Globs
    fact: str
    of: str
    to: str
    at_most: float


class Untested(Model):
    """Nothing here measures it, and why not."""

    untested: Why


_CONDITIONS: dict[str, type[Model]] = {
    "fails": Fails,
    "works": Works,
    "silent": Silent,
    "fixed": Fixed,
    "apart": Apart,
    "keeps": Keeps,
    "breaks": Breaks,
    "cures": Cures,
    "ratio": Ratio,
    "untested": Untested,
}


def _kind(value: Any) -> str | None:
    if isinstance(value, dict):
        return next((kind for kind in _CONDITIONS if kind in value), None)
    return next((kind for kind, model in _CONDITIONS.items() if isinstance(value, model)), None)


Condition = Annotated[
    Annotated[Fails, Tag("fails")]
    | Annotated[Works, Tag("works")]
    | Annotated[Silent, Tag("silent")]
    | Annotated[Fixed, Tag("fixed")]
    | Annotated[Apart, Tag("apart")]
    | Annotated[Keeps, Tag("keeps")]
    | Annotated[Breaks, Tag("breaks")]
    | Annotated[Cures, Tag("cures")]
    | Annotated[Ratio, Tag("ratio")]
    | Annotated[Untested, Tag("untested")],
    Discriminator(
        _kind,
        custom_error_type="unknown_condition",
        custom_error_message=f"a condition begins with one of the keys {', '.join(_CONDITIONS)}",
    ),
]


class Number(Model):
    """A number to show beside a claim, measured by cells: a check, a fact, or how many of them pass."""

    says: Why
    cells: Globs
    check: str | None = Field(default=None, description="glob over names of checks")
    fact: str | None = Field(default=None, description="name of a fact, and of what is in it: loss.observed")

    @model_validator(mode="after")
    def _of_one_kind(self) -> Number:
        if self.check and self.fact:
            raise ValueError("a number is of a check or of a fact, not of both")
        return self


class Harm(Model):
    """Where advice does harm: cells that follow it are ``wrong``, and those that do not all pass."""

    cells: Globs
    without: Globs
    where: str = Field(default="", description="when it does, where it is not always: 'where memory is short'")


class Claim(Model):
    """One sentence that somebody published, and the cells that test it."""

    id: Annotated[str, Field(pattern=r"^C[1-9][0-9]*\.[1-9][0-9]*$")]
    claim: Why = Field(description="what is claimed, in one sentence")
    source: str = Field(pattern=r"^[\w.-]+/[\w.-]+#[0-9]+$", description="owner/repository#number")
    said_of: Specifier = Field(default="", description="versions that the claim speaks of; shown, never judged by")
    judged: tuple[Condition, ...] = Field(min_length=1)
    harm: Harm | None = None
    note: str = ""
    numbers: tuple[Number, ...] = ()

    def speaks_of(self, column: Column) -> bool:
        """Whether the claim is about the version that is really installed in a column."""
        return bool(column.transformers) and SpecifierSet(self.said_of).contains(column.transformers, prereleases=True)


class Case(Model):
    """The claims of one report."""

    title: Why
    about: str = ""
    claims: tuple[Claim, ...] = Field(min_length=1)


class Claims(Model):
    """``claims.yaml``: every published claim, case by case."""

    cases: tuple[Case, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Claims:
        ids = [claim.id for case in self.cases for claim in case.claims]
        for id in ids:
            if ids.count(id) > 1:
                raise ValueError(f"cases: the claim {id!r} is there twice")
        return self


def globs(claim: Claim) -> list[str]:
    """Every glob over cells by which a claim is judged, or from which a number beside it comes."""
    found: list[str] = [glob for number in claim.numbers for glob in number.cells]
    for condition in claim.judged:
        if isinstance(condition, Cures):
            found += [condition.cures, condition.failing]
        elif not isinstance(condition, Untested):
            found += globs_of(condition)
    return found + ([*claim.harm.cells, *claim.harm.without] if claim.harm else [])


def globs_of(condition: Condition) -> tuple[str, ...]:
    """The globs of the cells that a condition asks."""
    kind = _kind(condition)
    return tuple(getattr(condition, kind)) if kind else ()
