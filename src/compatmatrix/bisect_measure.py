"""One cell in one candidate: a release, a commit, or a companion's release; taken from the store where it is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from compatmatrix import assemble, runner
from compatmatrix.errors import InfrastructureError
from compatmatrix.flips import Seen
from compatmatrix.matrix import Companion, GitSource, Matrix, Version
from compatmatrix.plan import Plan
from compatmatrix.releases import Release
from compatmatrix.results import Column, EnvReason
from compatmatrix.settings import Settings
from compatmatrix.store import Store
from compatmatrix.sweep_sheet import cells_of, matrix_of, unmeasured

#: What a candidate is not to blame for; every other reason is an answer of its own: it is skipped.
_ELSEWHERE = frozenset({EnvReason.UNREACHABLE, EnvReason.DISK_FULL, EnvReason.TOOL_MISSING})


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """What is tried: a name for people, and a matrix of one version that installs it."""

    name: str
    matrix: Matrix

    @property
    def version(self) -> Version:
        return self.matrix.versions[0]


def of_release(matrix: Matrix, release: Release) -> Candidate:
    """A release of transformers, as a sweep would run it: both share the result."""
    return Candidate(name=release.version, matrix=matrix_of(matrix, [release]))


def of_commit(matrix: Matrix, url: str, commit: str) -> Candidate:
    """A commit of a git repository of transformers."""
    version = Version(id=f"commit-{commit[:12]}", sources=(GitSource(git=url, commit=commit),))
    return Candidate(name=commit[:12], matrix=matrix.model_copy(update={"versions": (version,)}))


def with_companions(base: Candidate, releases: Mapping[str, str], why: str) -> Candidate:
    """The same transformers beside other releases of some packages."""
    kept = [each for each in base.matrix.companions if each.package not in releases]
    changed = [Companion(package=name, requirement=f"=={number}", why=why) for name, number in releases.items()]
    told = "+".join(f"{name}-{number}" for name, number in releases.items())
    version = base.version.model_copy(update={"id": f"{base.version.id}+{told}"})
    matrix = base.matrix.model_copy(update={"versions": (version,), "companions": (*kept, *changed)})
    return Candidate(name=", ".join(f"{name} {number}" for name, number in releases.items()), matrix=matrix)


class Measure:
    """Measures one cell of a plan in candidates, each once; ``basis`` is the plan that the command line made."""

    def __init__(self, basis: Plan, settings: Settings, store: Store, progress: Callable[[str], None]) -> None:
        (self.cell,) = (cell.id for cell in basis.cells)
        self._basis, self._settings, self._store, self._progress = basis, settings, store, progress
        self._fresh: set[str] = set()

    def __call__(self, candidate: Candidate) -> Seen:
        """What the cell does there; raises :class:`InfrastructureError` for what is not the candidate's own doing."""
        known = self.known(candidate)
        if known is not None and (not self._settings.fresh or candidate.version.id in self._fresh):
            self._progress(f"{candidate.name}  {known.outcome.value}, known")
            return known
        self._fresh.add(candidate.version.id)
        column = runner.run_column(self._plan(candidate), candidate.version, self._settings, self._store, _silent)
        seen = self._seen(candidate, column)
        if column.failure and column.failure.reason in _ELSEWHERE:
            raise InfrastructureError(
                f"{candidate.name}: {column.failure.reason.value}: {column.failure.message.splitlines()[0]}",
                hint="run the same command again when that is well: what was measured is known",
            )
        self._progress(f"{candidate.name}  {seen.outcome.value}" + (f": {seen.told}" if seen.told else ""))
        return seen

    def known(self, candidate: Candidate) -> Seen | None:
        """What is stored, or ``None``; a candidate that had no environment is tried again."""
        column = self.column(candidate)
        found = cells_of(self._plan(candidate), column, self._store) if column else {}
        return found.get(self.cell)

    def column(self, candidate: Candidate) -> Column | None:
        """What the candidate was last resolved to."""
        return assemble.current(self._plan(candidate), self._store.columns()).get(candidate.version.id)

    def _seen(self, candidate: Candidate, column: Column) -> Seen:
        return cells_of(self._plan(candidate), column, self._store).get(self.cell) or unmeasured(column)

    def _plan(self, candidate: Candidate) -> Plan:
        return replace(self._basis, matrix=candidate.matrix, versions=candidate.matrix.versions)


def _silent(_: str) -> None:
    """A column's own progress is of no interest here: one cell is run in it."""
