"""One cell, attempted until its outcome can be believed: again where the machine or another process may be to blame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from compatmatrix.classify import classify
from compatmatrix.execute import Limits
from compatmatrix.matrix import Policy
from compatmatrix.plan import PlannedCell
from compatmatrix.records import Ended
from compatmatrix.results import CellResult, Outcome
from compatmatrix.wholeness import no_room

Progress = Callable[[str], None]

#: Outcomes that may be the machine's doing and are tried again; the version's own answers are not.
_RETRIED = frozenset({Outcome.CRASH, Outcome.TIMEOUT, Outcome.OOM})
#: SIGHUP, SIGINT, SIGKILL (by hand, or by a kernel that is short of memory) and SIGTERM.
_SENT = frozenset({1, 2, 9, 15})
#: So many attempts may be ended by others before the cell is taken to do it itself.
_SPARED = 2
#: The machine's trouble, whatever the version did.
_NO_ROOM = ("No space left on device", "Disk quota exceeded")


class Running(Protocol):
    """The part of a probe that running a cell needs."""

    def run(self, cell: str, limits: Limits, needs: Sequence[str]) -> Ended: ...


def run_cell(
    probe: Running, version: str, cell: PlannedCell, policy: Policy, progress: Progress = lambda _: None
) -> CellResult:
    """Run one cell, again after a crash, a timeout or oom; different endings are kept as attempts (flaky).

    An attempt that another process put an end to says nothing of the version: it is told, and made again. Where that
    happens each time, it is the cell's own doing.
    """
    limits = Limits(
        timeout=cell.scenario.timeout or policy.timeout_seconds,
        no_progress=policy.no_progress_seconds,
        memory=int(policy.memory),
        log=int(policy.log),
    )
    attempts: list[CellResult] = []
    spared = _SPARED
    while len(attempts) <= policy.retries:
        ended = probe.run(cell.id, limits, cell.variant.needs)
        attempt = classify(cell.id, version, ended)
        told = f"{attempt.reason} {attempt.log[-2000:]}"
        if attempt.outcome.red and any(words in told for words in _NO_ROOM):
            raise no_room(cell.id, version)
        if attempt.outcome is Outcome.CRASH and spared and _struck(ended):
            spared -= 1
            progress(f"{version}  {cell.id}: {attempt.reason}, by another process: measured again")
            continue
        attempts.append(attempt)
        if attempt.outcome not in _RETRIED:
            break
    # The worst of the attempts is the verdict: a cell that crashes now and then is not green.
    worst = max(attempts, key=lambda attempt: attempt.outcome.severity)
    return worst.model_copy(update={"attempts": tuple(attempt.outcome for attempt in attempts)})


def _struck(ended: Ended) -> bool:
    """Whether a cell was ended by another process: the zygote is gone, or a signal that no fault of its own sends."""
    return ended.how == "lost" or (ended.how == "signal" and ended.number in _SENT)
