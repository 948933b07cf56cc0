"""What an answer leaves open, said in its sentence: what was not tried, not judged, or made up. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from compatmatrix.results import CellResult, Outcome, Run
from compatmatrix.text import one_line
from compatmatrix.trying import agreement
from compatmatrix.trying.choose import Choice
from compatmatrix.trying.standing import way

#: Facts of a cell whose outputs nothing was held against.
_UNJUDGED = ("not asked", "outputs not judged")


def covers(choice: Choice, cells: Iterable[str]) -> bool:
    """Whether cells are all that the checkpoint is about: a selection without them says nothing of the whole."""
    return set(choice.essential) <= set(cells)


def untried(run: Run, choice: Choice) -> Iterator[str]:
    """Essential cells that were skipped: ``2-cards was not tried in 4.46.3 (…)``."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in _essential(run, choice):
        if row.outcome is Outcome.SKIPPED:
            found.setdefault((way(row, choice.primary), one_line(row.reason, 120)), []).append(row.version)
    for (name, reason), versions in found.items():
        where = "" if len(versions) == len(run.columns) else f" in {', '.join(versions)}"
        yield f"{name} was not tried{where}" + (f" ({reason})" if reason else "")


def made_up(run: Run, choice: Choice) -> Iterator[str]:
    """Parts that the class has and the file has not: they are random, whatever else holds."""
    parts: dict[str, None] = {}
    for row in _essential(run, choice):
        told = row.fingerprint.get("made up")
        if row.outcome is Outcome.PASS and isinstance(told, (list, tuple)):
            parts.update(dict.fromkeys(str(part) for part in told))
    if parts:
        yield f"its {' and '.join(parts)} {'is' if len(parts) == 1 else 'are'} made up, for the file has none"


def unjudged(run: Run, choice: Choice) -> Iterator[str]:
    """Whether the outputs of what passed were held against nothing."""
    if any(_is_unjudged(run, row) for row in _essential(run, choice) if row.outcome is Outcome.PASS):
        yield "its outputs were not judged"


def _is_unjudged(run: Run, row: CellResult) -> bool:
    if any(name in row.fingerprint for name in _UNJUDGED):
        return True
    output = row.fingerprint.get(agreement.OUTPUT)
    if not isinstance(output, Mapping) or output.get(agreement.JUDGE) != "nothing":
        return False
    between = [other for other in run.results if other.version == row.version and other.cell.startswith(agreement.ID)]
    return not any(other.outcome.answered for other in between if "load" in other.cell)


def _essential(run: Run, choice: Choice) -> list[CellResult]:
    return [row for row in run.results if row.cell in choice.essential]
