"""The files of an atlas: a page that needs nothing else, and the same as JSON and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from compatmatrix import atlas as data
from compatmatrix.flips import Flip, Sheet
from compatmatrix.report import atlas, html
from compatmatrix.report.publish import publish

PAGE = "index.html"


def files(sheet: Sheet, found: Sequence[Flip], *, now: datetime, matrix: str = "") -> dict[str, str]:
    """Path -> text; the page is the last one. ``matrix`` is the address of the report that it stands beside, if any."""
    told = data.build(sheet, found, now=now)
    page = atlas.build(sheet, found, now=now)
    css = html.asset("common.css") + html.asset("atlas.css")
    text = html.templates().get_template("atlas.html.j2").render(page=page, matrix=matrix, **html.inlined(css))
    return {"atlas.json": told.to_json(), "atlas.csv": data.to_csv(told), PAGE: text}


def write(sheet: Sheet, found: Sequence[Flip], directory: Path, *, now: datetime) -> Path:
    """Write the files into a directory, and return the page's path; raises :class:`StorageError`."""
    report = directory.resolve().parent
    matrix = f"../{PAGE}" if (report / PAGE).is_file() and (report / "latest.json").is_file() else ""
    publish(files(sheet, found, now=now, matrix=matrix), directory)
    return directory / PAGE
