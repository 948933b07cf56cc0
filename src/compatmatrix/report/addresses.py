"""Where things are: files beside the page, ids of elements, and the command that runs a cell again. Pure."""

from __future__ import annotations

import hashlib
import re
import shlex
from urllib.parse import quote

from compatmatrix.results import CellResult, Outcome

_PLAIN_ID = re.compile(r"[a-z0-9-]+/[a-z0-9-]+")


def anchor(*parts: str) -> str:
    """An element id: ``cell@version`` for two parts, else the part itself; ids hold no spaces."""
    return re.sub(r"\s+", "_", "@".join(parts))


def slug(text: str) -> str:
    """A file name for an id: readable, safe on every file system, and different for different ids."""
    safe = re.sub(r"[^a-z0-9._+-]+", ".", text.lower()).strip(".")[:48].rstrip(".")
    return safe if safe == text else f"{safe or 'x'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def detail_file(scenario: str) -> str:
    """Path of the page with the details of a scenario's cells, relative to the page."""
    name = scenario.replace("/", ".") if _PLAIN_ID.fullmatch(scenario) else slug(scenario)
    return f"details/{name}.html"


def cell_anchor(scenario: str, cell: str, version: str = "") -> str:
    """The element of a cell in the details of its scenario: as short as the page allows, for each cell is linked to.

    ``[tied,disk]@4.46.3``; a scenario without variants is named by its last part: ``plain@4.46.3``.
    """
    own = cell[len(scenario) :] or scenario.rpartition("/")[2]
    return anchor(own, version) if version else anchor(own)


def cell_link(scenario: str, cell: str, version: str = "") -> str:
    """The address of a cell's details relative to the page, percent-encoded, fit for an attribute without quotes."""
    return f"{detail_file(scenario)}#{fragment(cell_anchor(scenario, cell, version))}"


def fragment(text: str) -> str:
    """An element id as the part of an address after ``#``."""
    return quote(text, safe="/[]@,:+.-_~!$()*;")


def scenario_anchor(scenario: str) -> str:
    """The element of a scenario's rows."""
    return anchor(f"scenario:{scenario}")


def column_anchor(version: str) -> str:
    """The element that tells what is installed."""
    return anchor(f"column:{version}")


def family_anchor(family: str) -> str:
    """The element of a family's heading in the table."""
    return anchor(f"family:{family}")


def known_anchor(issue: str) -> str:
    """The element that tells of a known issue, in the details of a scenario."""
    return anchor(f"known:{issue}")


def cause_key(row: CellResult) -> tuple[Outcome, str]:
    """What makes two red cells fail alike."""
    return row.outcome, row.signature or row.reason


def cause_anchor(row: CellResult) -> str:
    """Stable from run to run, as long as the signature is the same."""
    outcome, signature = cause_key(row)
    return "cause:" + hashlib.sha256(f"{outcome.value}\n{signature}".encode()).hexdigest()[:10]


def repro(version: str, cell: str) -> str:
    """The one command that runs this cell again; ``version`` may be several, with commas between them.

    Cells of a checkpoint that somebody has tried need its name, which no report has.
    """
    if cell.startswith("given/"):
        return f"compatmatrix try PATH-OR-ID --versions {shlex.quote(version)} --fresh --cells {shlex.quote(cell)}"
    return f"compatmatrix run --versions {shlex.quote(version)} --fresh {shlex.quote(cell)}"
