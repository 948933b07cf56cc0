"""Badges: a small picture, and the same as data for shields' ``endpoint`` badge. Pure.

A badge is a file and cannot know how old it is: each says the day of the run that it tells of.
"""

from __future__ import annotations

import html
import json
from dataclasses import dataclass

from compatmatrix.report import frame
from compatmatrix.report.addresses import slug
from compatmatrix.report.display import utc
from compatmatrix.results import CellResult, Column, News, Outcome, Run
from compatmatrix.text import one_line

GOOD, WARN, BAD, UNKNOWN = "#17633a", "#8a5a00", "#a01818", "#5a606b"
"""White text has a contrast of more than 5 on each of them."""

_WIDE = frozenset("mwMWABCDGHOQU@%")
_NARROW = frozenset("iljtf.,:;'!|()[] 1")


@dataclass(frozen=True)
class Badge:
    """Two texts, left and right, and the colour of the right one."""

    label: str
    message: str
    colour: str

    def svg(self) -> str:
        """A picture with a text alternative; texts are as wide as they are told to be, whatever the font."""
        left, right = _width(self.label), _width(self.message)
        label, message = html.escape(self.label), html.escape(self.message)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
            f'aria-label="{label}: {message}"><title>{label}: {message}</title>'
            f'<rect width="{left}" height="20" fill="#3b3f46"/>'
            f'<rect x="{left}" width="{right}" height="20" fill="{self.colour}"/>'
            '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
            f'<text x="{left / 2:g}" y="14" textLength="{left - 12}">{label}</text>'
            f'<text x="{left + right / 2:g}" y="14" textLength="{right - 12}">{message}</text></g></svg>\n'
        )

    def endpoint(self) -> str:
        """What https://shields.io/badges/endpoint-badge reads."""
        told = {"schemaVersion": 1, "label": self.label, "message": self.message, "color": self.colour}
        return json.dumps(told, ensure_ascii=False) + "\n"


def files(run: Run) -> dict[str, str]:
    """Path -> text: ``badge`` tells the news of the run, ``badges/VERSION`` how many cells of a version pass."""
    badges = {"badge": overall(run)}
    by_version: dict[str, list[CellResult]] = {}
    for row in run.results:
        by_version.setdefault(row.version, []).append(row)
    for column in run.columns:
        tally = frame.count(by_version.get(column.version, ()))
        badges[f"badges/{slug(column.version)}"] = version(run, column, tally)
    return {
        f"{path}.{kind}": text
        for path, badge in badges.items()
        for kind, text in (("svg", badge.svg()), ("json", badge.endpoint()))
    }


def overall(run: Run) -> Badge:
    """The news of a run, as the page's headline tells them."""
    kinds = [kind for cells in run.news.values() for kind in cells.values()]
    bad = [(kind, word) for kind, word in ((News.REGRESSED, "regressed"), (News.NEW, "unexplained")) if kind in kinds]
    other = [(kind, kind.value) for kind in (News.CHANGED, News.FIXED) if kind in kinds]
    told = [f"{kinds.count(kind)} {word}" for kind, word in (*bad, *other)]
    unmeasured = sum(row.outcome in (Outcome.ENV_FAIL, Outcome.NOT_RUN) for row in run.results)
    if unmeasured:
        told.append(f"{unmeasured} not measured")
    colour = BAD if bad else WARN if told else GOOD
    return Badge("compatmatrix", f"{', '.join(told) or 'no news'} · {utc(run.finished):%Y-%m-%d}", colour)


def version(run: Run, column: Column, tally: frame.Tally) -> Badge:
    """How many of the cells that a version answered pass; green where all were measured and none is red, amber where
    all red are known or some were not measured."""
    label = f"transformers {one_line(column.version, 40)}"
    shows = f" ({one_line(column.substitute.shows, 40)})" if column.substitute else ""
    if not tally.answered:
        return Badge(label, f"unknown · {utc(run.finished):%Y-%m-%d}", UNKNOWN)
    news = run.news.get(column.version, {}).values()
    unexplained = any(kind in (News.REGRESSED, News.NEW) for kind in news)
    unmeasured = tally.of(Outcome.ENV_FAIL) + tally.of(Outcome.NOT_RUN)
    colour = BAD if unexplained else WARN if tally.red or unmeasured else GOOD
    lacking = f", {unmeasured:,} not measured" if unmeasured else ""
    told = f"{tally.of(Outcome.PASS):,} of {tally.answered:,} pass{lacking}{shows} · {utc(run.finished):%Y-%m-%d}"
    return Badge(label, told, colour)


def _width(text: str) -> int:
    """Pixels of a text in Verdana 11, and 6 on each side; measured in classes of characters."""
    return 12 + round(sum(9.5 if char in _WIDE else 4 if char in _NARROW else 6.8 for char in text))
