"""The page of figures: sections that are written one by one, tables, and whether a goal is met. Pure."""

from __future__ import annotations

import datetime
import math
import os
import platform
from collections.abc import Mapping, Sequence

HEAD = """\
# Performance

Written by `nox -s bench`, one section at a time (`nox -s bench -- growth`). Figures that are compared come from the
same run on the same machine: seconds differ from machine to machine, ratios much less. Processor time counts every
process that was started; other work on a machine stretches it far less than wall-clock time.
"""

TITLES = {
    "design": "The matrix, and what people would write instead",
    "floor": "The floor: one import for each column, and the scenarios' own work",
    "rerun": "Again, unchanged",
    "growth": "Growth",
    "report": "A very large report",
    "virtual-cuda": "Virtual CUDA",
}
"""Name of a section, as it is asked for -> its title; they stand on the page in this order."""


def page(old: str, new: Mapping[str, str]) -> str:
    """The page with new sections (name -> text); those of the old page that are not measured again are kept."""
    kept = dict(block.split("\n\n", 1) for block in old.split("\n## ")[1:])
    texts = [(title, new.get(name, kept.get(title, ""))) for name, title in TITLES.items()]
    return HEAD + "".join(f"\n## {title}\n\n{text.strip()}\n" for title, text in texts if text.strip())


def measured(text: str, today: datetime.date) -> str:
    """A section's text, with when and on what it was measured."""
    machine = f"{os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}"
    return f"Measured on {today.isoformat()}: {machine}.\n\n{text}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    if any(len(row) != len(head) for row in rows):
        raise ValueError("a row has not as many cells as the head")
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def goal(wanted: str, *, met: bool, found: str, why: str = "") -> str:
    """One line that says what was wanted and whether it was reached; where it was not, by how much and why."""
    if met:
        return f"Goal: {wanted}. **Met**: {found}."
    return f"Goal: {wanted}. **Not met**: {found}. {why}".rstrip()


def seconds(value: float) -> str:
    """``0.42 s``, ``12.3 s``, ``1,204 s``."""
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s" if value < 100 else f"{value:,.0f} s"


def times(value: float) -> str:
    """``1.18×``, ``13.2×``; ``–`` for what is not a number."""
    if math.isnan(value):
        return "–"
    return f"{value:.2f}×" if value < 10 else f"{value:.1f}×"


def percent(value: float) -> str:
    """``1.8 %``."""
    return f"{100 * value:.1f} %"
