"""The details of a cell across all versions."""

from __future__ import annotations

from dataclasses import dataclass

from compatmatrix.report.display import Mark
from compatmatrix.report.views.past import Timeline


@dataclass(frozen=True)
class CheckView:
    """A check that did not hold."""

    name: str
    measured: str
    limit: str
    detail: str


@dataclass(frozen=True)
class CureCell:
    """The cell of a cure that is most like the cell in trouble, and what it did in the same versions.

    ``same`` tells whether its variant is the same one. ``seen`` are a version, an outcome and the address
    of that cell's details, relative to the page.
    """

    cell: str
    same: bool
    seen: tuple[tuple[str, Mark, str], ...]


@dataclass(frozen=True)
class Finding:
    """What one cell has to tell, for all versions in which it tells the same.

    ``versions`` are pairs of a version and the path of the cell's file, empty where there is none.
    ``traceback`` is that of the first version; where an earlier cell of the same page has the same one, it is
    empty and ``traceback_in`` is that cell.
    """

    versions: tuple[tuple[str, str], ...]
    mark: Mark
    reason: str
    exception: str
    message: str
    traceback: str
    traceback_in: str
    checks: tuple[CheckView, ...]
    more_checks: int
    warnings: tuple[str, ...]
    cause: str
    known: str
    known_anchor: str
    cures: tuple[CureCell, ...]


@dataclass(frozen=True)
class DetailRow:
    """Versions in which a cell did the same. ``behaviour`` is a letter: the same letter, the same fingerprint.

    ``versions`` are a version, the anchor of its cell, and its lock; times and memory are ranges.
    """

    versions: tuple[tuple[str, str, str], ...]
    mark: Mark
    news: Mark | None
    flaky: str
    checks: str
    closest: str
    time: str
    memory: str
    behaviour: str
    age: str


@dataclass(frozen=True)
class Bar:
    """One device of a placement; ``used`` and ``room`` in thousandths of the widest, ``room`` 0 without a budget."""

    device: str
    kind: str
    used: int
    room: int
    told: str
    holds: str
    over: bool


@dataclass(frozen=True)
class Picture:
    """Where some versions place the parts of a model; ``more`` devices are not drawn."""

    versions: tuple[str, ...]
    bars: tuple[Bar, ...]
    more: int


@dataclass(frozen=True)
class ChangeView:
    """One fact in which two neighbouring versions differ, in words."""

    aspect: str
    fact: str
    told: str


@dataclass(frozen=True)
class Step:
    """How a version behaves differently from the one before it. ``like`` is a cell above that tells the same."""

    before: str
    after: str
    changes: tuple[ChangeView, ...]
    more: int
    like: str


@dataclass(frozen=True)
class Fingerprint:
    """What was recorded of one behaviour: its letter, the versions that behave so, and its facts."""

    letter: str
    versions: tuple[str, ...]
    facts: tuple[tuple[str, str], ...]
    more: int


@dataclass(frozen=True)
class Detail:
    """One cell id across all versions.

    ``anchor`` is its element in the details, ``row`` that of its row in the table; ``virtual`` says in words
    what stands for the devices that it uses; ``steady`` that no run said anything else.
    """

    cell: str
    anchor: str
    row: str
    virtual: str
    rows: tuple[DetailRow, ...]
    findings: tuple[Finding, ...]
    pictures: tuple[Picture, ...]
    fingerprints: tuple[Fingerprint, ...]
    steps: tuple[Step, ...]
    timelines: tuple[Timeline, ...]
    steady: str
    repro: str
