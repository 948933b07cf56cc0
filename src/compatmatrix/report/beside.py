"""The files beside the page: names of the details, and texts of cells and locks. Pure."""

from __future__ import annotations

import json

from compatmatrix.report.addresses import repro, slug
from compatmatrix.report.display import duration, moment, number, size
from compatmatrix.results import CellResult, Column, Run
from compatmatrix.text import clean, one_line

_FIELD_LIMIT = 200_000


def has_more_to_tell(row: CellResult) -> bool:
    """Whether a cell gets a text of its own, with its log and steps; of the others the details tell everything."""
    return row.outcome.red or row.flaky


def cell_file(row: CellResult) -> str:
    """Path of a cell's file, relative to the page; empty where it has none."""
    return f"cells/{slug(row.version)}/{slug(row.cell)}.txt" if has_more_to_tell(row) else ""


def lock_file(column: Column) -> str:
    """Path of a column's lock, relative to the page; empty where it has none."""
    return f"locks/{slug(column.version)}.txt" if column.lock else ""


def cell_text(run: Run, column: Column, row: CellResult) -> str:
    """Everything a cell has to tell, as plain text; untrusted parts are cleaned."""
    parts = [_head(run, column, row)]
    if row.checks:
        lines = [
            f"{'ok  ' if check.holds else 'FAIL'}  {one_line(check.name)}: measured {number(check.measured)}, "
            f"limit {number(check.limit)}" + (f"  ({one_line(check.detail, 2000)})" if check.detail else "")
            for check in row.checks
        ]
        parts.append(_section("Checks", "\n".join(lines)))
    if row.failure:
        failure = row.failure
        told = f"{failure.type}: {failure.message}" + (f"\nin step: {failure.step}" if failure.step else "")
        parts.append(_section("Exception", told))
        parts.append(_section("Caused by", "\n".join(failure.chain)))
        parts.append(_section("Traceback", failure.traceback))
    parts.append(_section("Warnings", "\n\n".join(row.warnings)))
    parts.append(_section("Steps", "\n".join(f"{duration(seconds):>10}  {name}" for name, seconds in row.steps)))
    if row.fingerprint:
        parts.append(_section("Fingerprint", json.dumps(row.fingerprint, indent=1, sort_keys=True, default=str)))
    parts.append(_section("Log", row.log))
    return "\n".join(part for part in parts if part)


def lock_text(column: Column) -> str:
    """A column's lock, as it was resolved."""
    return clean(column.lock, limit=2_000_000).rstrip() + "\n"


def _head(run: Run, column: Column, row: CellResult) -> str:
    attempts = ", ".join(outcome.value for outcome in row.attempts)
    facts = [
        ("cell", row.cell),
        ("version", row.version if not column.substitute else f"{row.version}, shown by {column.substitute.shows}"),
        ("installed", column.transformers),
        ("commit", column.commit or ""),
        ("python", column.python),
        ("torch", column.torch),
        ("accelerate", column.accelerate),
        ("lock", column.lock_hash),
        ("outcome", row.outcome.value),
        ("reason", row.reason),
        ("signature", row.signature or ""),
        ("attempts", attempts if row.flaky else ""),
        ("measured", moment(row.measured_at) if row.measured_at else ""),
        ("took", duration(row.seconds)),
        ("peak memory", size(row.peak_memory)),
        ("run", run.id),
        ("again", repro(row.version, row.cell)),
    ]
    return "".join(f"{name + ':':<13} {one_line(value, 2000)}\n" for name, value in facts if value)


def _section(title: str, text: str) -> str:
    text = clean(text, limit=_FIELD_LIMIT).strip("\n")
    return f"{title}\n{'-' * len(title)}\n{text}\n" if text.strip() else ""
