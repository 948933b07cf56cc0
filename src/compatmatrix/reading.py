"""What a file must be before it is believed: a whole run, times with a zone; and what is wrong, in one line. Pure."""

from __future__ import annotations

import re
from collections import Counter
from datetime import datetime

from pydantic import ValidationError

from compatmatrix.results import Run
from compatmatrix.text import one_line

RUN_ID = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
"""It names a file."""


def run(text: str | bytes) -> Run:
    """A published run. Raises ``ValueError`` (see :func:`why`) where the text is none of this schema."""
    found = Run.from_json(text)
    if not re.fullmatch(RUN_ID, found.id):
        raise ValueError(f"id: {one_line(found.id, 60)!r} cannot be the name of a run")
    _whole(found)
    zoned("started", found.started)
    zoned("finished", found.finished)
    for column in found.columns:
        zoned(f"columns.{column.version}.resolved_at", column.resolved_at)
    for row in found.results:
        zoned(f"results.{row.version}.{row.cell}.measured_at", row.measured_at)
    return found


def _whole(found: Run) -> None:
    """Raises ``ValueError`` where columns x cells are not the run's results, each once.

    A run of a selection has some of a scenario's cells; but each of them in every column.
    """
    known = Counter(cell for scenario in found.scenarios for cell in scenario.cells)
    selected = known.keys() & {row.cell for row in found.results}
    planned = Counter({(column.version, cell): known[cell] for column in found.columns for cell in selected})
    rows = Counter((row.version, row.cell) for row in found.results)
    for what, some in (("is missing", planned - rows), ("is there twice or was not planned", rows - planned)):
        if some:
            raise ValueError(f"results: {' '.join(next(iter(some)))} {what}")
    twice = [name for name, number in planned.items() if number > 1]
    if twice:
        raise ValueError(f"{' '.join(twice[0])} is planned twice")


def zoned(name: str, moment: datetime | None) -> None:
    """Raises ``ValueError`` for a time without a zone: it cannot be compared with any other."""
    if moment is not None and moment.tzinfo is None:
        raise ValueError(f"{name}: {moment.isoformat()} has no time zone")


def why(error: Exception) -> str:
    """What is wrong, in one line: where it is a model's field, its name comes first."""
    told = str(error)
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False)[0]
        told = ": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"])))
    return one_line(told, 160)
