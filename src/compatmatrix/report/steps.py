"""How the versions of one cell behave: a letter for each behaviour, its fingerprint, and what changes from one
version to the next, key by key, in words. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from compatmatrix.report.addresses import cell_anchor
from compatmatrix.report.behaviour import Change, changes, shown
from compatmatrix.report.lookup import Lookup
from compatmatrix.report.pictures import PLACEMENT
from compatmatrix.report.views import ChangeView, Fingerprint, Step
from compatmatrix.results import CellResult
from compatmatrix.text import one_line

FACTS = 40
CHANGES = 24
"""How many of each stand in the page; all are in ``latest.json``."""


def letters(look: Lookup, rows: Sequence[CellResult]) -> dict[str, str]:
    """Version -> letter, in the order in which the behaviours appear; versions without a fingerprint have none."""
    seen: dict[str, str] = {}
    return {row.version: seen.setdefault(look.digest(row), _letter(len(seen))) for row in rows if row.fingerprint}


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else f"{chr(ord('A') + index // 26 - 1)}{chr(ord('A') + index % 26)}"


def fingerprints(look: Lookup, rows: Sequence[CellResult], letters: dict[str, str]) -> tuple[Fingerprint, ...]:
    """The last behaviour with its facts; of the others the letters and versions, for the steps tell how they differ.

    A placement is left to its picture.
    """
    found: dict[str, list[CellResult]] = {}
    for row in rows:
        if row.version in letters:
            found.setdefault(letters[row.version], []).append(row)
    return tuple(
        _fingerprint(look, letter, group, last=index == len(found) - 1)
        for index, (letter, group) in enumerate(found.items())
    )


def _fingerprint(look: Lookup, letter: str, rows: Sequence[CellResult], *, last: bool) -> Fingerprint:
    did = look.behaviour(rows[0])
    facts = [(name, values) for name, values in did.facts.items() if name != PLACEMENT] if last else []
    told = [(one_line(name, 80), shown(values)) for name, values in facts]
    if last and did.warnings:
        told.append(("warnings", "; ".join(did.warnings)))
    return Fingerprint(
        letter=letter,
        versions=tuple(row.version for row in rows),
        facts=tuple(told[:FACTS]),
        more=max(len(told) - FACTS, 0),
    )


class Steps:
    """The steps of one page: each that tells the same as an earlier one says so."""

    def __init__(self, look: Lookup) -> None:
        self._look = look
        self._told: dict[tuple[Change, ...], str] = {}
        self._changes: dict[tuple[str, str], tuple[Change, ...]] = {}

    def of(self, rows: Sequence[CellResult]) -> tuple[Step, ...]:
        """From each version with a fingerprint to the next one, where they differ."""
        rows = [row for row in rows if row.fingerprint]
        return tuple(
            self._step(before, after)
            for before, after in pairwise(rows)
            if self._look.digest(before) != self._look.digest(after)
        )

    def _step(self, before: CellResult, after: CellResult) -> Step:
        found = self._between(before, after)
        own = cell_anchor(self._look.scenario_of[after.cell].id, after.cell)
        first = self._told.setdefault(found, own)
        like = "" if first == own else first
        views = tuple(ChangeView(each.aspect, each.fact, each.told) for each in found[:CHANGES])
        more = max(len(found) - CHANGES, 0)
        return Step(before.version, after.version, () if like else views, 0 if like else more, like)

    def _between(self, before: CellResult, after: CellResult) -> tuple[Change, ...]:
        key = self._look.digest(before), self._look.digest(after)
        if key not in self._changes:
            self._changes[key] = changes(self._look.behaviour(before), self._look.behaviour(after))
        return self._changes[key]
