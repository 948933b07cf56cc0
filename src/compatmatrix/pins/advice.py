"""The answer: one version for all needs, else the fewest environments, else what no version serves. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from compatmatrix.errors import Exit
from compatmatrix.pins.candidates import Candidate, NoEvidence, candidates
from compatmatrix.pins.cover import smallest_cover
from compatmatrix.pins.evidence import Accepted, Evidence, Need, Standing, Told, weigh, worst_first
from compatmatrix.results import Run


class Prefer(str, Enum):
    """Which version is chosen where several would do."""

    NEWEST = "newest"
    OLDEST = "oldest"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """A version to install, the needs that it serves (of those asked for), and what else would serve them all."""

    candidate: Candidate
    evidence: tuple[Evidence, ...]
    admissible: tuple[Candidate, ...]

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(each.need.glob for each in self.evidence)

    @property
    def risks(self) -> tuple[Told, ...]:
        """Red cells whose known issues were accepted, each once."""
        return self._of(Standing.RISK)

    @property
    def skipped(self) -> tuple[Told, ...]:
        """Cells that the machine of the run could not test, each once."""
        return self._of(Standing.SKIPPED)

    def _of(self, standing: Standing) -> tuple[Told, ...]:
        return tuple({told.cell: told for each in self.evidence for told in each.of(standing)}.values())


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A version that does not serve all needs: the needs that it fails, and the cells that keep it from them.

    ``blockers`` are worst first, each once; there is none where nothing was tested (every cell was skipped).
    """

    candidate: Candidate
    needs: tuple[str, ...]
    blockers: tuple[Told, ...]

    @property
    def ruled_out(self) -> bool:
        """Something stands against it; else it was only not shown to work."""
        return any(told.standing is Standing.AGAINST for told in self.blockers)


@dataclass(frozen=True, kw_only=True)
class Unserved:
    """A need that no version serves, and the version that comes closest to it, if any version was tested."""

    need: Need
    closest: Candidate | None
    evidence: Evidence | None


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to pin. Versions stand in the order of preference everywhere.

    ``admissible`` serve all needs. ``environments`` cover the needs that some version serves, with as few versions
    as can be: one where there is an admissible version. ``no_evidence`` are versions of the matrix that the run
    tells nothing of; ``tested`` are all that it does.
    """

    run: Run
    prefer: Prefer
    needs: tuple[Need, ...]
    tested: tuple[Candidate, ...]
    admissible: tuple[Candidate, ...]
    environments: tuple[Environment, ...]
    rejected: tuple[Rejected, ...]
    unserved: tuple[Unserved, ...]
    no_evidence: tuple[NoEvidence, ...]

    @property
    def exit(self) -> Exit:
        """One version, several, or a need that none serves."""
        if self.unserved:
            return Exit.UNSERVED
        return Exit.OK if len(self.environments) == 1 else Exit.SEVERAL


def advise(
    run: Run,
    needs: Sequence[Need],
    *,
    prefer: Prefer = Prefer.NEWEST,
    accept: Accepted = Accepted(),  # noqa: B008 - frozen
    current: Mapping[str, str] | None = None,
    oldest: datetime.datetime | None = None,
    strict: bool = False,
) -> Advice:
    """Judge every tested version by every need.

    ``current`` are the definitions of matrix.yaml (see :func:`candidates`); results measured before ``oldest`` are
    no evidence; with ``strict`` a skipped cell keeps a version from being chosen.
    """
    tested, nothing = candidates(run, current)
    if prefer is Prefer.OLDEST:
        tested = tuple(reversed(tested))
    found = [
        tuple(weigh(run, each.column.version, need, accept, oldest=oldest, strict=strict) for need in needs)
        for each in tested
    ]
    served = [index for index in range(len(needs)) if any(row[index].serves for row in found)]
    chosen = _choose([[row[index].serves for index in served] for row in found])
    everything = [all(each.serves for each in row) for row in found]
    return Advice(
        run=run,
        prefer=prefer,
        needs=tuple(needs),
        tested=tested,
        admissible=tuple(each for each, all_served in zip(tested, everything, strict=True) if all_served),
        environments=tuple(_environment(tested, found, index) for index in chosen),
        rejected=tuple(
            _rejected(each, row) for each, row, works in zip(tested, found, everything, strict=True) if not works
        ),
        unserved=tuple(_unserved(tested, found, i, need) for i, need in enumerate(needs) if i not in served),
        no_evidence=nothing,
    )


def _choose(serves: Sequence[Sequence[bool]]) -> tuple[int, ...]:
    """The versions to install, by index: the first that serves everything, else the smallest set that does."""
    wanted = len(serves[0]) if serves else 0
    if not wanted:
        return ()
    single = next((index for index, row in enumerate(serves) if all(row)), None)
    if single is not None:
        return (single,)
    return smallest_cover([frozenset(need for need, yes in enumerate(row) if yes) for row in serves], wanted)


def _environment(tested: Sequence[Candidate], found: Sequence[Sequence[Evidence]], index: int) -> Environment:
    serving = [need for need, evidence in enumerate(found[index]) if evidence.serves]
    also = [each for each, row in zip(tested, found, strict=True) if all(row[need].serves for need in serving)]
    evidence = tuple(found[index][need] for need in serving)
    return Environment(candidate=tested[index], evidence=evidence, admissible=tuple(also))


def _rejected(candidate: Candidate, row: Sequence[Evidence]) -> Rejected:
    failed = [each for each in row if not each.serves]
    merged = {told.cell: told for told in worst_first([told for each in failed for told in each.blockers])}
    return Rejected(
        candidate=candidate, needs=tuple(each.need.glob for each in failed), blockers=tuple(merged.values())
    )


def _unserved(tested: Sequence[Candidate], found: Sequence[Sequence[Evidence]], index: int, need: Need) -> Unserved:
    if not tested:
        return Unserved(need=need, closest=None, evidence=None)

    def distance(place: int) -> tuple[bool, int]:
        evidence = found[place][index]
        return not evidence.of(Standing.WORKS), len(evidence.blockers)

    closest = min(range(len(tested)), key=distance)
    return Unserved(need=need, closest=tested[closest], evidence=found[closest][index])
