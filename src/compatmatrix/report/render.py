"""The page and what lies beside it, as files.

The details of the cells are pages of their own, one for each scenario, so that the first page stays below a megabyte.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from compatmatrix.history import History
from compatmatrix.report import beside, exports, frame, html
from compatmatrix.report.context import LedgerNote, Page, build
from compatmatrix.report.exports import Published
from compatmatrix.report.markdown import summary
from compatmatrix.report.publish import publish
from compatmatrix.results import Run

PAGE = "index.html"
STYLES = ("common.css",)
PAGE_STYLES = ("index.css", "pins.css", "compare.css")
PAGE_SCRIPTS = ("address.js", "table.js", "index.js", "pins.js", "compare.js")
"""Templates' files that a page inlines, in this order."""

ATLAS = f"atlas/{PAGE}"
"""The atlas of every release, where it was published beside the report; the page then leads there."""

FOLDERS = ("badges", "cells", "details", "locks")
"""Folders that belong to a report as a whole: publishing a report replaces them."""


def pages(page: Page, *, atlas: str = "") -> dict[str, str]:
    """The details of each scenario and, last, the page, as HTML; the same page gives the same bytes.

    ``atlas`` is the address of the atlas that is published beside them, if any.
    """
    templates = html.templates()
    details, index = templates.get_template("details.html.j2"), templates.get_template("index.html.j2")
    texts, inlined = {}, html.inlined(_style(page, (*STYLES, "details.css")))
    scenarios = page.scenarios
    for before, scenario, after in zip((None, *scenarios), scenarios, (*scenarios[1:], None), strict=False):
        texts[scenario.page] = details.render(page=page, scenario=scenario, before=before, after=after, **inlined)
    script = "".join(map(html.asset, PAGE_SCRIPTS))
    texts[PAGE] = index.render(page=page, atlas=atlas, **html.inlined(_style(page, (*STYLES, *PAGE_STYLES)), script))
    return texts


def _style(page: Page, names: Sequence[str]) -> str:
    """The style of a page. A table that knows its width is laid out without looking into its cells."""
    return "".join(map(html.asset, names)) + f".matrix {{ --columns: {len(page.columns)}; }}\n"


def files(
    run: Run,
    *,
    before: Run | None = None,
    ledger: Mapping[str, LedgerNote] | None = None,
    history: History | None = None,
    published: Published | None = None,
    page: Page | None = None,
    rest: Callable[[], Mapping[str, str]] | None = None,
    atlas: str = "",
) -> dict[str, str]:
    """Every file of a report: path relative to its directory -> text.

    ``history`` ends with this run. What only a published report has is made where ``published`` is given. ``page``
    is the context of this run, and ``rest`` what gives :func:`companions`, where the caller has begun them already:
    each takes half of the time.
    """
    overdue_after = published.overdue_after if published else None
    page = page or build(run, before=before, ledger=ledger, history=history, overdue_after=overdue_after)
    told = {"summary.md": summary(page), **pages(page, atlas=atlas)}
    return {**(rest() if rest else companions(run, history, published)), **told}


def companions(run: Run, history: History | None = None, published: Published | None = None) -> dict[str, str]:
    """The files of a report that need nothing of the page's context."""
    columns = {column.version: column for column in run.columns}
    texts = {beside.lock_file(column): beside.lock_text(column) for column in run.columns if column.lock}
    for row in run.results:
        path = beside.cell_file(row)
        if path and row.version in columns:
            texts[path] = beside.cell_text(columns[row.version], row)
    texts["latest.csv"] = frame.to_csv(run)
    texts["latest.json"] = run.to_json() + "\n"
    return texts | exports.files(run, history, published)


def write(
    run: Run,
    directory: Path,
    *,
    before: Run | None = None,
    ledger: Mapping[str, LedgerNote] | None = None,
    history: History | None = None,
    published: Published | None = None,
    page: Page | None = None,
    rest: Callable[[], Mapping[str, str]] | None = None,
) -> Path:
    """Render a run into a directory, and return the page's path. Other files there are left alone.

    Everything is written to a temporary sibling first; then the :data:`FOLDERS` are exchanged and the
    page is replaced last, so that a page never speaks of files that are not there.
    Raises :class:`StorageError` where the directory cannot be written.
    """
    atlas = ATLAS if (directory / ATLAS).is_file() else ""
    texts = files(
        run,
        before=before,
        ledger=ledger,
        history=history,
        published=published,
        page=page,
        rest=rest,
        atlas=atlas,
    )
    publish(texts, directory, FOLDERS)
    return directory / PAGE
