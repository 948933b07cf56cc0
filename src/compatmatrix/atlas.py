"""A sheet as data for others: the models of ``atlas.json``, and the lines of ``atlas.csv``. Pure; schema 1."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from pydantic import Field

from compatmatrix import __version__, flips
from compatmatrix.flips import Belief, Change, Flip, Sheet
from compatmatrix.results import Model, Outcome
from compatmatrix.text import one_line

SCHEMA: Literal[1] = 1


class AtlasRelease(Model):
    """One release, as the index and its column tell of it; ``failure`` is why it has no environment."""

    version: str
    transformers: str = ""
    yanked: str | None = None
    uploaded: datetime | None = None
    python: str = ""
    torch: str = ""
    accelerate: str = ""
    lock_hash: str = ""
    resolved_at: datetime | None = None
    failure: str = ""


class AtlasSpan(Model):
    """Neighbouring releases, both ends within, in which a cell had one outcome, behaving in so many ways."""

    outcome: Outcome
    first: str
    last: str
    releases: int
    behaviours: int
    told: str = ""


class AtlasCell(Model):
    """A cell: its ranges hold every release of the atlas exactly once, in order."""

    cell: str
    scenario: str
    spans: tuple[AtlasSpan, ...]


class AtlasFlip(Model):
    """A change between two releases; those in ``between`` gave no answer."""

    cell: str
    before: str
    after: str
    between: tuple[str, ...] = ()
    change: Change
    old: Outcome
    new: Outcome
    belief: Belief


class Atlas(Model):
    """The whole of atlas.json."""

    schema_number: Literal[1] = Field(default=SCHEMA, alias="schema", serialization_alias="schema")
    compatmatrix: str
    written: datetime
    specifier: str
    releases: tuple[AtlasRelease, ...]
    cells: tuple[AtlasCell, ...]
    flips: tuple[AtlasFlip, ...]

    def to_json(self) -> str:
        return self.model_dump_json(by_alias=True) + "\n"


def build(sheet: Sheet, found: Iterable[Flip], *, now: datetime) -> Atlas:
    """The atlas of a sheet and its flips."""
    names = sheet.versions
    return Atlas(
        schema=SCHEMA,
        compatmatrix=__version__,
        written=now,
        specifier=one_line(sheet.specifier),
        releases=tuple(_release(place) for place in sheet.places),
        cells=tuple(
            AtlasCell(cell=cell, scenario=scenario.id, spans=tuple(_span(span, names) for span in spans))
            for scenario in sheet.scenarios
            for cell in scenario.cells
            if cell in sheet.cells
            for spans in [flips.spans(sheet.cells[cell])]
        ),
        flips=tuple(
            AtlasFlip(
                cell=flip.cell,
                before=names[flip.before],
                after=names[flip.after],
                between=names[flip.before + 1 : flip.after],
                change=flip.change,
                old=flip.old.outcome,
                new=flip.new.outcome,
                belief=flip.belief,
            )
            for flip in found
        ),
    )


def _release(place: flips.Place) -> AtlasRelease:
    column = place.column
    failure = f"{column.failure.reason.value}: {one_line(column.failure.message, 400)}" if column.failure else ""
    return AtlasRelease(
        version=place.version,
        transformers=column.transformers,
        yanked=None if place.yanked is None else one_line(place.yanked),
        uploaded=place.uploaded,
        python=column.python,
        torch=column.torch,
        accelerate=column.accelerate,
        lock_hash=column.lock_hash,
        resolved_at=column.resolved_at,
        failure=failure,
    )


def _span(span: flips.Span, names: tuple[str, ...]) -> AtlasSpan:
    return AtlasSpan(
        outcome=span.outcome,
        first=names[span.first],
        last=names[span.last],
        releases=span.releases,
        behaviours=span.behaviours,
        told=one_line(span.told, 300),
    )


def to_csv(atlas: Atlas) -> str:
    """One line for each range of each cell; what a spreadsheet would run as a formula is quoted."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("scenario", "cell", "outcome", "first", "last", "releases", "behaviours", "told"))
    for each in atlas.cells:
        for span in each.spans:
            texts = (each.scenario, each.cell, span.outcome.value, span.first, span.last)
            line = (*texts, span.releases, span.behaviours, span.told)
            writer.writerow([f"'{item}" if str(item)[:1] in ("=", "+", "-", "@") else item for item in line])
    return out.getvalue()
