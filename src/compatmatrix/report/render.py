"""The page and what lies beside it, as files: jinja2 here, and nowhere else.

Each page is one self-contained file: its style and its script are inlined and named by their hashes
in a content security policy that allows nothing else. All text is escaped by autoescape. The details of
the cells are pages of their own, one for each scenario, so that the first page stays below a megabyte.
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
FOLDERS = ("cells", "details", "locks")
"""Folders that belong to a report as a whole: publishing a report replaces them."""


def pages(page: Page) -> dict[str, str]:
    """The details of each scenario and, last, the page, as HTML; the same page gives the same bytes."""
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
    common = _asset("common.css")
    details, index = environment.get_template("details.html.j2"), environment.get_template("index.html.j2")
    texts, inlined = {}, _inlined(common + _asset("details.css"))
    scenarios = page.scenarios
    for before, scenario, after in zip((None, *scenarios), scenarios, (*scenarios[1:], None), strict=False):
        texts[scenario.page] = details.render(page=page, scenario=scenario, before=before, after=after, **inlined)
    texts[PAGE] = index.render(page=page, **_inlined(common + _asset("index.css"), _asset("index.js")))
    return texts


def _inlined(css: str, js: str = "") -> dict[str, str]:
    """What a page inlines, and the policy that allows this and nothing else."""
    policy = ["default-src 'none'", f"style-src {_source(css)}", "base-uri 'none'", "form-action 'none'"]
    if js:
        policy.insert(2, f"script-src {_source(js)}")
    # They are this project's own files, without user text; the hashes keep everything else from running.
    return {"css": Markup(css), "js": Markup(js), "csp": "; ".join(policy)}  # noqa: S704


def files(run: Run, *, before: Run | None = None, ledger: Mapping[str, LedgerNote] | None = None) -> dict[str, str]:
    """Every file of a report: path relative to its directory -> text."""
    page = build(run, before=before, ledger=ledger)
    columns = {column.version: column for column in run.columns}
    texts = {beside.lock_file(column): beside.lock_text(column) for column in run.columns if column.lock}
    for row in run.results:
        path = beside.cell_file(row)
        if path and row.version in columns:
            texts[path] = beside.cell_text(run, columns[row.version], row)
    texts["latest.csv"] = frame.to_csv(run)
    texts["latest.json"] = run.to_json() + "\n"
    texts["summary.md"] = summary(page)
    return texts | pages(page)


def write(
    run: Run, directory: Path, *, before: Run | None = None, ledger: Mapping[str, LedgerNote] | None = None
) -> Path:
    """Render a run into a directory, and return the page's path. Other files there are left alone.

    Everything is written to a temporary sibling first; then the :data:`FOLDERS` are exchanged and the
    page is replaced last, so that a page never speaks of files that are not there.
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
    for folder in FOLDERS:
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
