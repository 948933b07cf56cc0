"""The news of the runs as an Atom feed (RFC 4287): an entry for each run that has something to tell. Pure.

A regression that is still there is no news a second time: an entry tells what the run before did not tell already.
Ids are made from the run's id, so that they are the same wherever and whenever the feed is made.
"""

from __future__ import annotations

import html
import uuid
from xml.etree import ElementTree as Tree

from compatmatrix.history import History, Seen, Snapshot
from compatmatrix.report.display import NEWS, OUTCOMES, plural, utc
from compatmatrix.report.junit import valid
from compatmatrix.results import News
from compatmatrix.text import one_line

ENTRIES = 30
CELLS = 40
_ATOM = "http://www.w3.org/2005/Atom"
_SPACE = uuid.uuid5(uuid.NAMESPACE_OID, "compatmatrix")

#: (version, cell) -> what it did, for the cells with news.
Told = dict[tuple[str, str], Seen]


def text(history: History, site: str = "") -> str:
    """The feed of a history that ends with the run of the report; without ``site`` its links are relative."""
    base = f"{site.rstrip('/')}/" if site else ""
    last = history.snapshots[-1]
    Tree.register_namespace("", _ATOM)
    feed = Tree.Element(f"{{{_ATOM}}}feed")
    _add(feed, "id", _urn(f"feed {base or history.snapshots[0].id}"))
    _add(feed, "title", "compatmatrix: what changed")
    _add(feed, "updated", _when(last))
    _add(_add(feed, "author"), "name", "compatmatrix")
    _add(feed, "link", rel="alternate", type="text/html", href=f"{base}index.html")
    if base:
        _add(feed, "link", rel="self", type="application/atom+xml", href=f"{base}feed.xml")
    for snapshot, told in entries(history)[:ENTRIES]:
        _entry(feed, snapshot, told, base, latest=snapshot is last)
    Tree.indent(feed, " ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + Tree.tostring(feed, encoding="unicode") + "\n"


def entries(history: History) -> list[tuple[Snapshot, Told]]:
    """The runs with something to tell, the newest first, and what: cells whose news the run before did not tell."""
    found, before = [], Told()
    for snapshot in history.snapshots:
        now = _told(snapshot)
        fresh = {
            key: seen
            for key, seen in now.items()
            if key not in before or (before[key].news, before[key].did) != (seen.news, seen.did)
        }
        if fresh:
            found.append((snapshot, fresh))
        before = now
    return found[::-1]


def _told(snapshot: Snapshot) -> Told:
    return {
        (column.version, cell): seen
        for cell, row in snapshot.cells.items()
        for column, seen in zip(snapshot.columns, row, strict=True)
        if seen and seen.news.worth_telling
    }


def _entry(feed: Tree.Element, snapshot: Snapshot, told: Told, base: str, *, latest: bool) -> None:
    entry = _add(feed, "entry")
    kinds = [seen.news for seen in told.values()]
    counts = ", ".join(f"{kinds.count(kind)} {NEWS[kind].word}" for kind in News if kind in kinds)
    _add(entry, "id", _urn(f"run {snapshot.id}"))
    _add(entry, "title", f"{plural(len(told), 'cell')}: {counts}")
    _add(entry, "updated", _when(snapshot))
    page = {"type": "text/html", "href": f"{base}index.html#news"}
    kept = {"type": "application/json", "href": f"{base}runs/{snapshot.id}.json"}
    _add(entry, "link", rel="alternate", **(page if latest else kept))
    lines = [
        _line(kind, version, cell, seen) for kind in News for (version, cell), seen in told.items() if seen.news is kind
    ]
    more = f"<p>and {len(lines) - CELLS} more</p>" if len(lines) > CELLS else ""
    _add(entry, "content", f"<ul>{''.join(lines[:CELLS])}</ul>{more}", type="html")


def _line(kind: News, version: str, cell: str, seen: Seen) -> str:
    cause = f": {one_line(seen.cause.removeprefix(f'{seen.outcome.value}: '), 160)}" if seen.cause else ""
    mark = OUTCOMES[seen.outcome]
    told = f"{NEWS[kind].glyph} {NEWS[kind].word} {one_line(version, 60)} {one_line(cell)}"
    return f"<li>{html.escape(f'{told}: {mark.glyph} {mark.word}{cause}')}</li>"


def _add(parent: Tree.Element, name: str, text: str = "", **attributes: str) -> Tree.Element:
    element = Tree.SubElement(parent, f"{{{_ATOM}}}{name}", attributes)
    element.text = valid(text) or None
    return element


def _when(snapshot: Snapshot) -> str:
    return f"{utc(snapshot.finished):%Y-%m-%dT%H:%M:%SZ}"


def _urn(name: str) -> str:
    return f"urn:uuid:{uuid.uuid5(_SPACE, name)}"
