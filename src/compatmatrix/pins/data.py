"""An answer as plain data, for JSON; its schema has a number of its own. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from compatmatrix.errors import Exit
from compatmatrix.pins import files
from compatmatrix.pins.advice import Advice, Environment, Rejected
from compatmatrix.pins.candidates import Candidate
from compatmatrix.pins.evidence import Standing, Told
from compatmatrix.pins.telling import sentence
from compatmatrix.text import one_line

SCHEMA = 1
"""Grows when a name changes its meaning or goes."""


def data(advice: Advice) -> dict[str, Any]:
    """Everything that the text tells, and every cell that keeps a version from serving."""
    return {
        "schema": SCHEMA,
        "answer": sentence(advice),
        "status": {Exit.OK: "pin", Exit.SEVERAL: "environments"}.get(advice.exit, "unserved"),
        "run": {"id": advice.run.id, "finished": advice.run.finished.isoformat()},
        "prefer": advice.prefer.value,
        "needs": [{"glob": need.glob, "cells": len(need.cells)} for need in advice.needs],
        "admissible": [_named(each) for each in advice.admissible],
        "environments": [_environment_data(advice, each) for each in advice.environments],
        "ruled_out": [_rejected_data(each) for each in advice.rejected if each.ruled_out],
        "not_shown_to_serve": [_rejected_data(each) for each in advice.rejected if not each.ruled_out],
        "unserved": [
            {
                "need": each.need.glob,
                "closest": _named(each.closest) if each.closest else None,
                "blockers": [_cell_data(told) for told in each.evidence.blockers] if each.evidence else [],
            }
            for each in advice.unserved
        ],
        "not_tested": {
            "versions": [{"version": each.version, "why": one_line(each.why)} for each in advice.no_evidence],
            "between": _pairs(files.releases(advice.tested)),
        },
    }


def _environment_data(advice: Advice, environment: Environment) -> dict[str, Any]:
    candidate = environment.candidate
    span, within = files.span(advice.tested, environment.admissible)
    return {
        **_named(candidate),
        "note": candidate.note,
        "fails_with_lock_of": [each.column.version for each in files.otherwise(advice, environment)],
        "lock_hash": candidate.column.lock_hash,
        "python": candidate.column.python,
        "serves": [
            {
                "need": each.need.glob,
                "cells": len(each.told),
                "counts": {standing.value: len(each.of(standing)) for standing in Standing if each.of(standing)},
                "measured": [time.isoformat() for time in each.measured],
            }
            for each in environment.evidence
        ],
        "accepted_risks": [_cell_data(told) for told in environment.risks],
        "untested": [_cell_data(told) for told in environment.skipped],
        "admissible": files.releases(environment.admissible, advice.tested),
        "range": {"specifier": span, "untested_between": [list(pair) for pair in within]} if span else None,
    }


def _rejected_data(rejected: Rejected) -> dict[str, Any]:
    blockers = [_cell_data(told) for told in rejected.blockers]
    return {**_named(rejected.candidate), "needs": list(rejected.needs), "blockers": blockers}


def _named(candidate: Candidate) -> dict[str, str]:
    return {"version": candidate.name, "requirement": candidate.requirement, "column": candidate.column.version}


def _cell_data(told: Told) -> dict[str, Any]:
    return {
        "cell": told.cell,
        "outcome": told.outcome.value,
        "flaky": told.flaky,
        "why": one_line(told.why),
        "known": told.known or None,
    }


def _pairs(numbers: Sequence[str]) -> list[list[str]]:
    return [list(pair) for pair in pairwise(numbers)]
