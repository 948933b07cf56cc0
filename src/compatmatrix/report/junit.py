"""A run as JUnit XML: one suite for each version, one case for each cell. Pure.

====================  =====================================================================
outcome               in the case
====================  =====================================================================
pass                  nothing
wrong, fail           ``failure``; its ``type`` is the outcome
crash, oom, timeout   ``error``; its ``type`` is the outcome
env-fail              ``error``: infrastructure
unsupported, skipped  ``skipped``, with the reason
not-run               ``skipped``
====================  =====================================================================

A known issue makes nothing green: its cells are failures like any other, with a property ``known issue``. What
news are is the exit status of the report; a reader of JUnit XML knows only what was observed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from xml.etree import ElementTree as Tree

from compatmatrix.report.display import line, passage, utc
from compatmatrix.results import CellResult, Column, News, Outcome, Run

ELEMENT = {
    Outcome.PASS: "",
    Outcome.WRONG: "failure",
    Outcome.FAIL: "failure",
    Outcome.CRASH: "error",
    Outcome.OOM: "error",
    Outcome.TIMEOUT: "error",
    Outcome.ENV_FAIL: "error",
    Outcome.NOT_RUN: "skipped",
    Outcome.SKIPPED: "skipped",
    Outcome.UNSUPPORTED: "skipped",
}
TOLD = 2000
"""Characters kept of a traceback; all of it is in ``latest.json``."""

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def text(run: Run) -> str:
    """The document. Text of scenarios and libraries is cleaned, and holds no character that XML forbids."""
    root = Tree.Element("testsuites", {"name": f"compatmatrix {run.id}", **_counts(run.results)})
    by_version: dict[str, list[CellResult]] = {column.version: [] for column in run.columns}
    for row in run.results:
        by_version[row.version].append(row)
    for column in run.columns:
        _suite(root, run, column, by_version[column.version])
    Tree.indent(root, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Tree.tostring(root, encoding="unicode") + "\n"


def _counts(rows: Iterable[CellResult]) -> dict[str, str]:
    rows = tuple(rows)
    elements = [ELEMENT[row.outcome] for row in rows]
    numbers = {name: elements.count(name[:-1]) for name in ("failures", "errors")}
    return {
        "tests": str(len(rows)),
        **{name: str(number) for name, number in numbers.items()},
        "skipped": str(elements.count("skipped")),
        "time": f"{sum(row.seconds for row in rows):.3f}",
    }


def _suite(root: Tree.Element, run: Run, column: Column, rows: list[CellResult]) -> None:
    suite = Tree.SubElement(root, "testsuite", {"name": _line(column.version), **_counts(rows)})
    suite.set("timestamp", f"{utc(run.finished):%Y-%m-%dT%H:%M:%S}")
    facts = {
        "shows": column.shows,
        "commit": column.commit or "",
        "lock": column.lock_hash,
        "python": column.python,
        "substitute": column.substitute.because if column.substitute else "",
    }
    _properties(suite, facts)
    for row in rows:
        _case(suite, run, row)


def _case(suite: Tree.Element, run: Run, row: CellResult) -> None:
    scenario = row.cell.partition("[")[0]
    case = Tree.SubElement(
        suite, "testcase", {"classname": _line(scenario), "name": _line(row.cell), "time": f"{row.seconds:.3f}"}
    )
    news = run.news.get(row.version, {}).get(row.cell, News.NONE)
    _properties(
        case,
        {
            "outcome": row.outcome.value,
            "news": "" if news is News.NONE else news.value,
            "known issue": run.known.get(row.version, {}).get(row.cell, ""),
            "flaky": "yes" if row.flaky else "",
        },
    )
    name = ELEMENT[row.outcome]
    if name == "skipped":
        Tree.SubElement(case, name, {"message": _line(f"{row.outcome.value}: {row.reason}")})
    elif name:
        told = Tree.SubElement(case, name, {"type": row.outcome.value, "message": _line(row.reason)})
        told.text = _traceback(row.failure.traceback) if row.failure else None


def _properties(parent: Tree.Element, facts: dict[str, str]) -> None:
    kept = {name: value for name, value in facts.items() if value}
    if kept:
        properties = Tree.SubElement(parent, "properties")
        for name, value in kept.items():
            Tree.SubElement(properties, "property", {"name": name, "value": _line(value)})


def _traceback(told: str) -> str:
    return valid(passage(told, TOLD))


@lru_cache(maxsize=1 << 14)
def _line(told: str) -> str:
    return valid(line(told, 400))


def valid(told: str) -> str:
    """The text without characters that XML 1.0 forbids."""
    return _NO_XML.sub("\ufffd", told)
