"""The page and what lies beside it, as files: jinja2 here, and nowhere else.

The page is one self-contained file: its style and its script are inlined and named by their hashes
in a content security policy that allows nothing else. All text is escaped by autoescape.
"""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
import tempfile
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import jinja2
from markupsafe import Markup

from compatmatrix.errors import StorageError
from compatmatrix.report import beside, frame
from compatmatrix.report.context import LedgerNote, Page, build
from compatmatrix.report.markdown import summary
from compatmatrix.results import Run

PAGE = "index.html"
LIMIT = 1_000_000
"""Bytes above which the page leaves out what is least worth telling."""


def render(page: Page) -> str:
    """The page as HTML; the same page gives the same bytes."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("compatmatrix.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["fragment"] = _fragment
    environment.filters["breakable"] = _breakable
    css, js = _asset("page.css"), _asset("page.js")
    return environment.get_template("index.html.j2").render(
        page=page,
        # They are this project's own files, without user text; the hashes keep everything else from running.
        css=Markup(css),  # noqa: S704
        js=Markup(js),  # noqa: S704
        csp="; ".join(
            (
                "default-src 'none'",
                f"style-src {_source(css)}",
                f"script-src {_source(js)}",
                "base-uri 'none'",
                "form-action 'none'",
            )
        ),
    )


def files(run: Run, *, before: Run | None = None, ledger: Mapping[str, LedgerNote] | None = None) -> dict[str, str]:
    """Every file of a report: path relative to its directory -> text."""
    page = build(run, before=before, ledger=ledger)
    html = render(page)
    if len(html.encode()) > LIMIT:
        html = render(build(run, before=before, ledger=ledger, brief=True))
    columns = {column.version: column for column in run.columns}
    texts = {beside.lock_file(column): beside.lock_text(column) for column in run.columns if column.lock}
    for row in run.results:
        path = beside.cell_file(row)
        if path and row.version in columns:
            texts[path] = beside.cell_text(run, columns[row.version], row)
    texts["latest.csv"] = frame.to_csv(run)
    texts["latest.json"] = run.to_json() + "\n"
    texts["summary.md"] = summary(page)
    texts[PAGE] = html
    return texts


def write(
    run: Run, directory: Path, *, before: Run | None = None, ledger: Mapping[str, LedgerNote] | None = None
) -> Path:
    """Render a run into a directory, and return the page's path. Other files there are left alone.

    Everything is written to a temporary sibling first; then ``cells/`` and ``locks/`` are exchanged and
    the page is replaced last, so that a page never speaks of files that are not there.
    Raises :class:`StorageError` where the directory cannot be written.
    """
    texts = files(run, before=before, ledger=ledger)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".report-", dir=directory) as name:
            _publish(texts, Path(name), directory)
    except OSError as error:
        raise StorageError(
            f"the report could not be written to {directory}: {error}",
            hint="free some space or name another directory; the results are in the store",
        ) from error
    return directory / PAGE


def _publish(texts: Mapping[str, str], staging: Path, directory: Path) -> None:
    new, old = staging / "new", staging / "old"
    old.mkdir()
    for path, text in texts.items():
        target = new / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode("utf-8", "replace"))
    for folder in ("cells", "locks"):
        if (directory / folder).exists():
            shutil.move(directory / folder, old / folder)
        if (new / folder).exists():
            (new / folder).replace(directory / folder)
    for path in texts:  # a dict keeps its order: the page is the last one
        if "/" not in path:
            (new / path).replace(directory / path)


def _fragment(text: str) -> str:
    """An element id as the part of an address after ``#``."""
    return quote(text, safe="/[]@,:=+.-_~!$&'()*;")


def _breakable(text: str) -> Markup:
    """A label that may break after its commas."""
    return Markup("<wbr>").join(Markup.escape(part) for part in re.split("(?<=,)", text))


def _asset(name: str) -> str:
    return (resources.files("compatmatrix.report") / "templates" / name).read_text(encoding="utf-8")


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
