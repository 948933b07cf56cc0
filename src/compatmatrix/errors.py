"""Everything that can go wrong by the user's hand or the machine's: what happened, and the next step.

One tree; each branch has an exit status of its own. ``cli`` is the only place that catches it.

=====  ==========================================================================================
exit   meaning
=====  ==========================================================================================
0      the run is complete and there is no news
2      bad input: matrix.yaml, the ledger, a scenario file, a checkpoint, a command line
3      regressions: a cell became worse, or is red and nothing explains it
4      other news: a cell was fixed or behaves differently, or a ledger entry matches nothing
5      infrastructure: a column could not be built, cells were not run
6      a results store, a record or a report could not be read or written
7      no single version serves all needs; several environments do, and are named
8      a need that no tested version serves
70     a defect of compatmatrix itself
130    interrupted, or its output is not read any more; what was measured is kept and the next run resumes
=====  ==========================================================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum


class Exit(IntEnum):
    """Exit statuses of every command; the module's table says when each is used."""

    OK = 0
    INPUT = 2
    REGRESSED = 3
    NEWS = 4
    INFRASTRUCTURE = 5
    STORAGE = 6
    SEVERAL = 7
    UNSERVED = 8
    DEFECT = 70
    INTERRUPTED = 130


class CompatmatrixError(Exception):
    """A failure with a message that says what happened and what to do next."""

    exit = Exit.DEFECT

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  next: {self.hint}" if self.hint else self.message


class InputError(CompatmatrixError):
    """Something the user wrote cannot be used."""

    exit = Exit.INPUT


class MatrixError(InputError):
    """matrix.yaml has problems: all of them, each with its line, its path and a suggestion."""

    def __init__(self, file: str, problems: list[str]) -> None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(
            f"{file}: {count}\n" + "\n".join(f"  {problem}" for problem in problems),
            hint="correct the file; `compatmatrix check` reads it without running anything",
        )
        self.problems = problems


class ScenarioError(InputError):
    """Scenario files that cannot be imported or contradict one another."""


class SelectionError(InputError):
    """A version, scenario or cell that was asked for does not exist."""


class CheckpointError(InputError):
    """A checkpoint that cannot be tried: what is wrong with its files, all of it."""

    def __init__(self, path: str, problems: Sequence[str], *, hint: str = "") -> None:
        told = problems[0] if len(problems) == 1 else "".join(f"\n  {problem}" for problem in problems)
        super().__init__(f"{path}: {told}", hint=hint or "fetch the checkpoint again, or name another")
        self.problems = tuple(problems)


class InfrastructureError(CompatmatrixError):
    """The machine, the network or the index failed, not a version under test."""

    exit = Exit.INFRASTRUCTURE


class EnvironmentFailure(InfrastructureError):  # noqa: N818 - an outcome (env-fail), which one column ends with
    """A column could not be resolved, fetched, built or imported.

    ``reason`` is one of the closed set in :class:`compatmatrix.results.EnvReason`; ``log`` is the
    tool's own output, cut to size.
    """

    def __init__(self, reason: str, message: str, *, hint: str = "", log: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason
        self.log = log


class StorageError(CompatmatrixError):
    """The results store, a record or a report could not be read or written."""

    exit = Exit.STORAGE
