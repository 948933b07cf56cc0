"""The answer for a terminal, and as data. Pure, but for the console that it is printed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from compatmatrix.report.display import OUTCOMES
from compatmatrix.report.terminal import STYLES
from compatmatrix.results import Outcome, Run
from compatmatrix.text import one_line
from compatmatrix.trying.answer import Answer
from compatmatrix.trying.choose import FAMILY

SCHEMA = 1
"""Of the data; grows when a name changes its meaning or goes."""
_WIDEST = 1000


@dataclass(frozen=True, kw_only=True)
class Told:
    """Everything that is told.

    ``primary`` is the class that was tried in every way, ``pin`` are the files that were written, ``repro`` runs the
    worst cell again.
    """

    answer: Answer
    run: Run
    checkpoint: str
    primary: str
    notes: Sequence[str]
    report: Path
    pin: Sequence[Path]
    repro: str


def show(told: Told, console: Console | None = None) -> None:
    """Print the sentence, the table, and where the rest lies."""
    console = console or Console(highlight=False)
    console.print(Text(told.answer.sentence, style="bold"), soft_wrap=True)
    console.print()
    table = _table(told.run, told.primary)
    if Measurement.get(console, console.options.update(max_width=_WIDEST), table).maximum <= console.width:
        console.print(table)
    else:
        _list(console, told.run, told.primary)
    for note in told.notes:
        console.print(Text(f"note: {note}"), soft_wrap=True)
    for column in told.run.columns:
        if column.substitute:
            line = f"⇄ {column.version} shows {column.substitute.shows}: {one_line(column.substitute.because, 120)}"
            console.print(Text(line, style="yellow"), soft_wrap=True)
    worst = told.answer.worst
    if worst is not None:
        reason = one_line(worst.reason.partition("…")[0], 240)
        told_of = f"{worst.version} {worst.cell}: {reason}"
        console.print(Text.assemble("look at  ", (told_of, STYLES.get(worst.outcome.value, ""))), soft_wrap=True)
        console.print(Text(f"again    {told.repro}"), soft_wrap=True)
    console.print(Text(f"report   {told.report}"), soft_wrap=True)
    for path in told.pin:
        console.print(Text(f"pin      {path}"), soft_wrap=True)


def _table(run: Run, primary: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", no_wrap=True)
    for column in run.columns:
        table.add_column(Text(column.version), no_wrap=True)
    for cell in _cells(run):
        marks = (_mark(run.result(column.version, cell).outcome) for column in run.columns)
        table.add_row(Text(_short(cell, primary)), *marks)
    return table


def _list(console: Console, run: Run, primary: str) -> None:
    """For narrow terminals: version by version, and what came to the same together, the worst first."""
    for column in run.columns:
        console.print(Text(column.version, style="bold"))
        by_outcome: dict[Outcome, list[str]] = {}
        for cell in _cells(run):
            by_outcome.setdefault(run.result(column.version, cell).outcome, []).append(_short(cell, primary))
        for outcome in sorted(by_outcome, key=lambda each: -each.severity):
            console.print(Text.assemble("  ", _mark(outcome), f"  {', '.join(by_outcome[outcome])}"), soft_wrap=True)


def _cells(run: Run) -> list[str]:
    return list(dict.fromkeys(row.cell for row in run.results))


def _short(cell: str, primary: str) -> str:
    """The cell without what all of them have in common: the family, and the class that is tried in every way."""
    name, _, values = cell.removeprefix(f"{FAMILY}/").rstrip("]").partition("[")
    return " ".join([name, *(value for value in values.split(",") if value not in ("", primary))])


def _mark(outcome: Outcome) -> Text:
    mark = OUTCOMES[outcome]
    return Text(f"{mark.glyph} {mark.word}", style=STYLES.get(mark.css, "dim"))


def data(told: Told) -> dict[str, Any]:
    """The same for programs."""
    return {
        "schema": SCHEMA,
        "answer": told.answer.sentence,
        "status": int(told.answer.exit),
        "checkpoint": told.checkpoint,
        "class": told.primary,
        "use": told.answer.use or None,
        "versions": [
            {
                "version": each.version,
                "name": each.name,
                "standing": each.standing.value,
                "why": each.why,
                "but": list(each.but),
            }
            for each in told.answer.versions
        ],
        "cells": [
            {
                "cell": row.cell,
                "version": row.version,
                "outcome": row.outcome.value,
                "reason": one_line(row.reason, 400),
            }
            for row in told.run.results
        ],
        "notes": list(told.notes),
        "report": str(told.report),
        "pin": [str(path) for path in told.pin],
        "again": told.repro or None,
    }


def command(given: Mapping[str, Any]) -> str:
    """A command line of `compatmatrix try` from its argument (``path``) and options; flags are True."""
    import shlex

    words = ["compatmatrix", "try", str(given["path"])]
    for name, value in given.items():
        if name == "path" or not value:
            continue
        option = f"--{name.replace('_', '-')}"
        if value is True:
            words.append(option)
        else:
            words += [word for each in ([value] if isinstance(value, str) else value) for word in (option, str(each))]
    return shlex.join(words)
