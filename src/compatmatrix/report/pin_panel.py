"""The panel that says which version to pin: what its script needs to know, counted here. Pure.

The rules are those of :mod:`compatmatrix.pins`, applied here to each scenario and version; the script only adds
up, and chooses. Its data is small: what a scenario does in a version is told once, and named by a number.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

from compatmatrix.pins import Evidence, Need, Standing, Told, candidates
from compatmatrix.pins.candidates import Candidate
from compatmatrix.pins.evidence import weigh, worst_first
from compatmatrix.pins.files import releases
from compatmatrix.report.addresses import detail_file
from compatmatrix.report.beside import lock_file
from compatmatrix.report.views.pins import PinPanel
from compatmatrix.results import Outcome, Run, Scenario
from compatmatrix.text import one_line


def panel(run: Run) -> PinPanel:
    """What the script reads, as plain data:

    - ``versions``: name, label, requirement, note, column, path of the lock, number on an index or "", newest first;
    - ``numbers``: those of the releases, ascending; ``nothing``: versions without evidence, and why;
    - ``outcomes``, ``issues`` and ``labels``: names, used by their index;
    - ``scenarios``: id, number of cells, and path of the details where it is not the usual one;
    - ``states``: what a scenario does in a version: counts of passed, known (red, with a known issue), against, open
      and skipped cells, then the worst cell of known, against and open, each 0 or [outcome, place, label, issue or
      -1, 1 where flaky];
    - ``rows``: for each scenario the states of the versions, as pairs of a state and how often it follows.
    """
    versions, nothing = candidates(run)
    states, issues, labels = _Numbers(), _Numbers(), _Numbers()
    rows = []
    for scenario in run.scenarios:
        need = Need(glob=scenario.id, cells=scenario.cells)
        found = [
            states.of(_state(weigh(run, each.column.version, need), scenario, issues, labels)) for each in versions
        ]
        rows.append([number for state, group in groupby(found) for number in (state, len(list(group)))])
    data: dict[str, Any] = {
        "versions": [_version(each) for each in versions],
        "numbers": releases(versions),
        "nothing": [[each.version, one_line(each.why)] for each in nothing],
        "outcomes": [outcome.value for outcome in Outcome],
        "issues": issues.values,
        "labels": labels.values,
        "scenarios": [_scenario(item) for item in run.scenarios],
        "states": states.values,
        "rows": rows,
    }
    example = run.scenarios[0].id if run.scenarios else "GLOB"
    return PinPanel(data=data, command=f"compatmatrix pin --need {example}")


def _version(candidate: Candidate) -> list[str]:
    column = candidate.column
    number = column.transformers if candidate.released else ""
    texts = (candidate.name, candidate.label, candidate.requirement, candidate.note, column.version)
    return [*(one_line(text, 300) for text in texts), lock_file(column), number]


def _scenario(scenario: Scenario) -> list[Any]:
    told = [scenario.id, len(scenario.cells)]
    page = detail_file(scenario.id)
    return told if page == f"details/{scenario.id.replace('/', '.')}.html" else [*told, page]


class _Numbers:
    """Things by number, in the order in which they came."""

    def __init__(self) -> None:
        self._known: dict[Any, int] = {}

    def of(self, thing: Any) -> int:
        return self._known.setdefault(thing, len(self._known))

    @property
    def values(self) -> list[Any]:
        return list(self._known)


_OUTCOMES = {outcome: number for number, outcome in enumerate(Outcome)}


def _state(evidence: Evidence, scenario: Scenario, issues: _Numbers, labels: _Numbers) -> tuple[Any, ...]:
    against = evidence.of(Standing.AGAINST)
    known, unknown = [told for told in against if told.known], [told for told in against if not told.known]
    unanswered = evidence.of(Standing.OPEN)
    places = {cell: place for place, cell in enumerate(scenario.cells)}

    def worst(told: Iterable[Told]) -> tuple[int, ...] | int:
        for first in worst_first(told):
            issue = issues.of(first.known) if first.known else -1
            label = labels.of(one_line(first.cell.removeprefix(scenario.id), 200))
            flaky = int(first.flaky and first.standing is Standing.OPEN)
            return (_OUTCOMES[first.outcome], places[first.cell], label, issue, flaky)
        return 0

    counts = (
        len(evidence.of(Standing.WORKS)),
        len(known),
        len(unknown),
        len(unanswered),
        len(evidence.of(Standing.SKIPPED)),
    )
    return (*counts, worst(known), worst(unknown), worst(unanswered))
