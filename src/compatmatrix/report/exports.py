"""What is written beside the page for other programs: JUnit XML, the feed, the badges. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from compatmatrix.history import History, snapshot
from compatmatrix.report import badge, feed, junit
from compatmatrix.results import Run


@dataclass(frozen=True)
class Published:
    """What a report is told that is published: where, and after how many days without a run it is overdue.

    Without ``site`` (an address, ``https://…``) the links in the feed are relative.
    """

    site: str = ""
    overdue_after: int | None = None


def files(run: Run, history: History | None, published: Published | None) -> dict[str, str]:
    """Path -> text. A report of a selection is not published: it has neither a feed nor badges."""
    texts = {"junit.xml": junit.text(run)}
    if published is not None:
        history = history or History((snapshot(run),))
        texts |= {"feed.xml": feed.text(history, published.site), **badge.files(run)}
    return texts
