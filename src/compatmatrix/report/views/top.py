"""The top of the page: numbers, the answer per family and version, and the news."""

from __future__ import annotations

from dataclasses import dataclass

from compatmatrix.report.display import Mark
from compatmatrix.report.views.base import Chip


@dataclass(frozen=True)
class Segment:
    """A piece of a bar; ``start`` and ``width`` are thousandths of the whole."""

    css: str
    start: int
    width: int


@dataclass(frozen=True)
class Figure:
    """A headline number."""

    number: int
    label: str
    css: str
    note: str = ""


@dataclass(frozen=True)
class Answer:
    """Whether one version works for one family: a verdict in words, the counts behind it and a bar."""

    version: str
    verdict: Mark
    told: str
    chips: tuple[Chip, ...]
    bar: tuple[Segment, ...]


@dataclass(frozen=True)
class FamilyAnswers:
    """A row of the first table. ``anchor`` is empty for the sum over all families."""

    name: str
    anchor: str
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class NewsCell:
    """One cell with news: where it is, and its outcomes before (if it was there) and now."""

    label: str
    link: str
    before: Mark | None
    now: Mark


@dataclass(frozen=True)
class NewsItem:
    """Cells of one scenario in one version that share their news: the first of them, and how many more.

    ``page`` has the details of all of them.
    """

    scenario: str
    page: str
    version: str
    cells: tuple[NewsCell, ...]
    more: int


@dataclass(frozen=True)
class NewsGroup:
    """All cells with one kind of news."""

    mark: Mark
    meaning: str
    count: int
    items: tuple[NewsItem, ...]
