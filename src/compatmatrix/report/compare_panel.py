"""The panel that compares two versions of a run. Pure.

Counts of neighbours are made here, by :func:`compatmatrix.report.diff.kind`; for any other two versions the panel's
script does the same with a code for each row, and a test holds the two to one another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from compatmatrix import history
from compatmatrix.report.diff import MEANING, WORDS, Kind, kind
from compatmatrix.report.display import OUTCOMES
from compatmatrix.report.lookup import Lookup
from compatmatrix.report.sides import Did
from compatmatrix.report.views.compare import ComparePanel, Neighbours

KINDS = tuple(kind for kind in Kind if kind not in (Kind.REMOVED, Kind.ADDED))
"""Every version of a run has every cell."""


def panel(look: Lookup) -> ComparePanel:
    """What the panel shows, and what its script reads, as plain data:

    - ``words``: what cells of a kind do, as the end of a sentence, in the order of the kinds;
    - ``outcomes``: glyph, word, CSS class and 1 where the version itself answered, used by their index;
    - ``codes``: what a row did: for each column an outcome, a number for what a user can feel of it (the cause of a
      failure and the behaviour) and a number for all of it, equal where they are equal, as ``9.0.1``; ``9.0.1x3``
      stands for three columns;
    - ``rows``: the code of each row of the table, in its order.
    """
    codes: dict[str, int] = {}
    rows, counts = [], [Counter[Kind]() for _ in look.versions[1:]]
    for row in _rows(look):
        rows.append(codes.setdefault(_code(row), len(codes)))
        for count, (before, after) in zip(counts, pairwise(row), strict=True):
            count[kind(before, after)] += 1
    return ComparePanel(
        kinds=tuple((kind.value, MEANING[kind]) for kind in KINDS),
        neighbours=tuple(
            Neighbours(before, after, tuple(count[kind] for kind in KINDS))
            for count, (before, after) in zip(counts, pairwise(look.versions), strict=True)
        ),
        data={
            "words": [WORDS[kind] for kind in KINDS],
            "outcomes": [
                [mark.glyph, mark.word, mark.css, int(outcome.answered)] for outcome, mark in OUTCOMES.items()
            ],
            "codes": list(codes),
            "rows": rows,
        },
    )


def _rows(look: Lookup) -> Iterator[list[Did]]:
    """The rows of the table, in its order."""
    for family in look.families:
        for scenario in look.run.scenarios:
            for cell in scenario.cells if scenario.family == family else ():
                yield [_did(look, version, cell) for version in look.versions]


def _did(look: Lookup, version: str, cell: str) -> Did:
    row = look.row(version, cell)
    told = look.behaviour(row)
    return Did(row.outcome, history.cause(row), told.felt, told.digest)


def _code(row: Sequence[Did]) -> str:
    felt: dict[object, int] = {}
    whole: dict[object, int] = {}
    order = {outcome: index for index, outcome in enumerate(OUTCOMES)}
    words = []
    for did in row:
        feel = felt.setdefault((did.cause, did.felt), len(felt))
        words.append(f"{order[did.outcome]}.{feel}.{whole.setdefault((did.cause, did.whole), len(whole))}")
    runs = [(word, len(list(group))) for word, group in groupby(words)]
    return " ".join(word + (f"x{count}" if count > 1 else "") for word, count in runs)
