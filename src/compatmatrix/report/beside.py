"""The files beside the page: names of the details, and texts of cells and locks. Pure."""

from __future__ import annotations

import json

from compatmatrix.report.addresses import repro, slug
from compatmatrix.report.display import duration, line, moment, number, passage, size
from compatmatrix.results import CellResult, Column
from compatmatrix.text import clean, cut, one_line

_FIELD_LIMIT = 200_000
_LINE = 2000


def has_more_to_tell(row: CellResult) -> bool:
    """Whether a cell gets a text of its own, with its log and steps; of the others the details tell everything."""
    return row.outcome.red or row.flaky


def cell_file(row: CellResult) -> str:
    """Path of a cell's file, relative to the page; empty where it has none."""
    return f"cells/{slug(row.version)}/{slug(row.cell)}.txt" if has_more_to_tell(row) else ""


def lock_file(column: Column) -> str:
    """Path of a column's lock, relative to the page; empty where it has none."""
    return f"locks/{slug(column.version)}.txt" if column.lock else ""


def cell_text(column: Column, row: CellResult) -> str:
    """Everything a cell has to tell, as plain text; untrusted parts are cleaned.

    It says nothing of the run: the text of a result that is not measured again stays as it is.
    """
    parts = [_head(column, row)]
    if row.checks:
        lines = [
            f"{'ok  ' if check.holds else 'FAIL'}  {one_line(check.name)}: measured {number(check.measured)}, "
            f"limit {number(check.limit)}" + (f"  ({one_line(check.detail, _LINE)})" if check.detail else "")
            for check in row.checks
        ]
        parts.append(_section("Checks", "\n".join(lines)))
    if row.failure:
        failure = row.failure
        told = f"{failure.type}: {failure.message}" + (f"\nin step: {failure.step}" if failure.step else "")
        parts.append(_untrusted("Exception", told))
        parts.append(_untrusted("Caused by", "\n".join(failure.chain)))
        parts.append(_untrusted("Traceback", failure.traceback))
    parts.append(_untrusted("Warnings", "\n\n".join(row.warnings)))
    steps = [f"{duration(seconds):>10}  {one_line(name, _LINE)}" for name, seconds in row.steps]
    parts.append(_section("Steps", "\n".join(steps)))
    if row.fingerprint:
        parts.append(_untrusted("Fingerprint", json.dumps(row.fingerprint, indent=1, sort_keys=True, default=str)))
    parts.append(_untrusted("Log", row.log))
    return "\n".join(part for part in parts if part)


def lock_text(column: Column) -> str:
    """A column's lock, as it was resolved."""
    return clean(column.lock, limit=2_000_000).rstrip() + "\n"


def _head(column: Column, row: CellResult) -> str:
    shown = f", shown by {column.substitute.shows}" if column.substitute else ""
    told = [
        ("cell", row.cell),
        ("version", row.version + shown),
        ("installed", column.transformers),
        ("commit", column.commit or ""),
        ("python", column.python),
        ("torch", column.torch),
        ("accelerate", column.accelerate),
        ("lock", column.lock_hash),
        ("outcome", row.outcome.value),
        ("reason", row.reason),
        ("signature", row.signature or ""),
        ("again", repro(row.version, row.cell)),
    ]
    measured = [  # nothing in it was written by others
        ("attempts", ", ".join(outcome.value for outcome in row.attempts) if row.flaky else ""),
        ("measured", moment(row.measured_at) if row.measured_at else ""),
        ("took", duration(row.seconds)),
        ("peak memory", size(row.peak_memory)),
    ]
    facts = [*((name, line(value, _LINE)) for name, value in told), *measured]
    return "".join(f"{name + ':':<13} {value}\n" for name, value in facts if value)


def _untrusted(title: str, text: str) -> str:
    return _section(title, passage(text, _FIELD_LIMIT).strip("\n"))


def _section(title: str, text: str) -> str:
    text = cut(text, _FIELD_LIMIT)
    return f"{title}\n{'-' * len(title)}\n{text}\n" if text.strip() else ""
