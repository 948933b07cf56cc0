"""What the cells of a need say for and against a version. Pure; the rules are in :class:`Standing`."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from compatmatrix.errors import SelectionError
from compatmatrix.ledger import matches
from compatmatrix.plan import did_you_mean
from compatmatrix.results import CellResult, Outcome, Run


class Standing(str, Enum):
    """What one cell says of a version, to somebody who needs it.

    A red cell stands against the version, and so does ``unsupported``: the version itself says that it cannot do
    what is needed. A red cell whose known issue was accepted is a risk. A cell that was not run, has no
    environment, is too old, or passed only in some of its attempts tells nothing, and what tells nothing is not
    taken for a pass. A skipped cell tells nothing either, but no version could have done better on the machine
    of the run (it has no real GPU): it is named as untested and keeps no version from being chosen.
    """

    AGAINST = "against"
    OPEN = "open"
    RISK = "risk"
    SKIPPED = "skipped"
    WORKS = "works"


@dataclass(frozen=True, kw_only=True)
class Told:
    """What one cell says. ``why`` is its reason, ``known`` the known issue that explains it, if one does."""

    cell: str
    standing: Standing
    outcome: Outcome
    why: str = ""
    known: str = ""
    flaky: bool = False
    measured: datetime.datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something that has to work: a glob, and the cells that it means, in the order of the run."""

    glob: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Accepted:
    """Known issues that are accepted as risks: their ids, and globs of the cells where any of them is."""

    ids: frozenset[str] = frozenset()
    globs: tuple[str, ...] = ()

    def admits(self, cell: str, known: str) -> bool:
        return bool(known) and (known in self.ids or any(matches(cell, glob) for glob in self.globs))


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a version's cells say of one need."""

    need: Need
    told: tuple[Told, ...]
    strict: bool = False

    def of(self, *standings: Standing) -> tuple[Told, ...]:
        return tuple(each for each in self.told if each.standing in standings)

    @property
    def blockers(self) -> tuple[Told, ...]:
        """The cells that keep the version from serving the need: against before open, worst first."""
        kinds = (Standing.AGAINST, Standing.OPEN, *((Standing.SKIPPED,) if self.strict else ()))
        return worst_first(self.of(*kinds))

    @property
    def serves(self) -> bool:
        """Nothing keeps it from it, and at least one cell passed: no evidence at all is no pin."""
        return not self.blockers and bool(self.of(Standing.WORKS))

    @property
    def measured(self) -> tuple[datetime.datetime, ...]:
        """When the cells that count were measured: the earliest and the latest, or nothing."""
        times = [each.measured for each in self.of(Standing.WORKS, Standing.RISK) if each.measured]
        return (min(times), max(times)) if times else ()


_STANDINGS = {standing: rank for rank, standing in enumerate(Standing)}
_OUTCOMES = {outcome: rank for rank, outcome in enumerate(Outcome)}


def worst_first(told: Iterable[Told]) -> tuple[Told, ...]:
    """What stands against a version before what is open, each worst first; else in the order given."""
    return tuple(sorted(told, key=lambda each: (_STANDINGS[each.standing], _OUTCOMES[each.outcome])))


def needs(run: Run, globs: Sequence[str]) -> tuple[Need, ...]:
    """The needs as given, each once. Raises :class:`SelectionError` for a glob that means no cell of the run."""
    cells = [cell for scenario in run.scenarios for cell in scenario.cells]
    found = []
    for glob in dict.fromkeys(globs):
        meant = tuple(cell for cell in cells if matches(cell, glob))
        if not meant:
            raise SelectionError(
                f"--need: no scenario or cell of the run matches {glob!r}" + did_you_mean(glob, _names(run)),
                hint="`compatmatrix list` shows every cell id; * and ? may stand for parts of it",
            )
        found.append(Need(glob=glob, cells=meant))
    return tuple(found)


def accepted(run: Run, given: Sequence[str], issues: Iterable[str] = ()) -> Accepted:
    """What ``--allow-known`` names: ids of known issues, or globs of cells. ``issues`` are the ledger's ids.

    Raises :class:`SelectionError` for a name that is neither.
    """
    known = {*issues, *(id for cells in run.known.values() for id in cells.values())}
    cells = [cell for scenario in run.scenarios for cell in scenario.cells]
    globs = [name for name in given if name not in known]
    for glob in globs:
        if not any(matches(cell, glob) for cell in cells):
            raise SelectionError(
                f"--allow-known: {glob!r} is neither a known issue nor a cell of the run"
                + did_you_mean(glob, [*sorted(known), *_names(run)]),
                hint="the report names the known issue of each red cell; a glob accepts those of all cells it matches",
            )
    return Accepted(frozenset(name for name in given if name in known), tuple(globs))


def weigh(
    run: Run,
    version: str,
    need: Need,
    accept: Accepted = Accepted(),
    *,
    oldest: datetime.datetime | None = None,
    strict: bool = False,
) -> Evidence:
    """What a column's cells say of a need; results measured before ``oldest`` say nothing."""
    told = tuple(_tell(run, _row(run, version, cell), accept, oldest) for cell in need.cells)
    return Evidence(need=need, told=told, strict=strict)


def _tell(run: Run, row: CellResult, accept: Accepted, oldest: datetime.datetime | None) -> Told:
    known = run.known.get(row.version, {}).get(row.cell, "")
    measured = _aware(row.measured_at)
    old = oldest is not None and row.outcome.answered and (measured is None or measured < _in_utc(oldest))
    why = row.signature or row.reason if row.outcome.red else row.reason
    if row.outcome is Outcome.SKIPPED:
        standing = Standing.SKIPPED
    elif old:
        standing, why = Standing.OPEN, "the result is older than --max-age allows"
    elif not row.outcome.answered:
        standing = Standing.OPEN
    elif row.outcome.red and accept.admits(row.cell, known):
        standing = Standing.RISK
    elif row.outcome is not Outcome.PASS:
        standing = Standing.AGAINST
    elif row.flaky:
        standing, why = Standing.OPEN, "flaky: " + ", then ".join(outcome.value for outcome in row.attempts)
    else:
        standing = Standing.WORKS
    return Told(
        cell=row.cell,
        standing=standing,
        outcome=row.outcome,
        why=why,
        known=known,
        flaky=row.flaky,
        measured=measured,
    )


def _row(run: Run, version: str, cell: str) -> CellResult:
    try:
        return run.result(version, cell)
    except KeyError:
        return CellResult(cell=cell, version=version, outcome=Outcome.NOT_RUN, reason="no result in this run")


def _aware(when: datetime.datetime | None) -> datetime.datetime | None:
    return None if when is None else _in_utc(when)


def _in_utc(when: datetime.datetime) -> datetime.datetime:
    return when.replace(tzinfo=datetime.timezone.utc) if when.tzinfo is None else when


def _names(run: Run) -> list[str]:
    return sorted({name for scenario in run.scenarios for name in (scenario.family, scenario.id, *scenario.cells)})
