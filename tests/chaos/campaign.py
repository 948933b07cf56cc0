"""Runs faults one after the other and counts: how many were injected, and how many of them were survived."""

from __future__ import annotations

import datetime
import random
import tempfile
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from tests.chaos import invariants
from tests.chaos.trial import PATIENCE, Impossible, Trial, nothing_left
from tests.chaos.world import World, stored

Inject = Callable[[Trial, str], None]
_TRIES = 3
_BEGIN, _END = "<!-- the last run, written by nox -s chaos -->", "<!-- end -->"


@dataclass(frozen=True)
class Fault:
    """One kind of fault; ``stages`` are the moments or forms in which it is injected, each in a trial of its own."""

    name: str
    says: str
    inject: Inject
    stages: tuple[str, ...] = ("",)
    base: str = "built"
    report: bool = False

    def trials(self) -> list[tuple[Fault, str]]:
        return [(self, stage) for stage in self.stages]


FAULTS: dict[str, Fault] = {}


def fault(says: str, *stages: str, base: str = "built", report: bool = False) -> Callable[[Inject], Inject]:
    """Register a function that injects a fault; its name is the fault's. ``report`` tells that one must be written."""

    def register(inject: Inject) -> Inject:
        name = inject.__name__.replace("_", "-")
        FAULTS[name] = Fault(name, says, inject, stages or ("",), base, report)
        return inject

    return register


@dataclass
class Tally:
    """What became of one fault."""

    injected: int = 0
    survived: int = 0
    skipped: list[str] = field(default_factory=list)


def run_trial(world: World, fault: Fault, stage: str, seed: str) -> tuple[bool, str, list[str]]:
    """Inject one fault: whether it was, why not, and the problems that were found.

    A blow that came too late, after the run had ended, is tried again at other moments.
    """
    why = ""
    for attempt in range(_TRIES):
        with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as name:
            dice = random.Random(f"{seed}/{fault.name}/{stage}/{attempt}")
            trial = Trial(world, fault.base, Path(name).resolve() / "project", dice)
            with nothing_left(trial):
                try:
                    fault.inject(trial, stage)
                except Impossible as error:
                    return False, str(error), []
                problems = _judge(trial)
                if trial.struck or problems:
                    return True, "", problems
        why = "it came too late each time"
    return False, why, []


def _judge(trial: Trial) -> list[str]:
    endings = trial.endings()
    problems = [problem for ended in endings for problem in invariants.ended_well(trial, ended)]
    problems += invariants.no_stray_process(trial)
    trial.heal.close()
    before = stored(trial.directory)
    problems += invariants.nothing_wrong_is_stored(trial)
    problems += invariants.nothing_wrong_is_published(trial)
    if not trial.reports_damaged:
        problems += invariants.nothing_is_half_published(trial)
    repeated = trial.start().end()
    problems += invariants.repeated_well(trial, repeated, before)
    problems += invariants.nothing_wrong_is_stored(trial)
    problems += invariants.nothing_is_half_published(trial)
    problems += invariants.nothing_lies_about(trial)
    problems += invariants.no_stray_process(trial)
    return [*problems, *(f"the faulty run was: {ended}" for ended in endings)] if problems else []


def run(
    world: World, faults: Iterable[Fault], *, seed: int, rounds: int, echo: Callable[[str], None], log: IO[str]
) -> dict[str, Tally]:
    """All faults, ``rounds`` times; the seed decides every moment that is chosen by chance.

    Problems are written into the log, all of them.
    """
    tallies: dict[str, Tally] = {}
    for fault in faults:
        tally = tallies.setdefault(fault.name, Tally())
        for number in range(rounds):
            for each, stage in fault.trials():
                _count(world, each, stage, f"{seed}/{number}", tally, echo, log)
    return tallies


def _count(
    world: World, fault: Fault, stage: str, seed: str, tally: Tally, echo: Callable[[str], None], log: IO[str]
) -> None:
    name = f"{fault.name}[{stage}]" if stage else fault.name
    try:
        injected, why, problems = run_trial(world, fault, stage, seed)
    except Exception:  # a defect of the campaign is told, and counts
        injected, why, problems = True, "", [traceback.format_exc()]
    if not injected:
        tally.skipped.append(f"{stage}: {why}" if stage else why)
        echo(f"{name}  not injected: {why}")
        return
    tally.injected += 1
    tally.survived += not problems
    for problem in problems:
        print(f"{name} (seed {seed}): {problem}\n", file=log, flush=True)
    echo(f"{name}  {'survived' if not problems else 'NOT SURVIVED: ' + problems[0].splitlines()[0][:200]}")


def table(tallies: dict[str, Tally]) -> list[str]:
    """A Markdown table of what became of each fault, and the sum below it."""
    lines = ["| fault | what is done | injected | survived |", "|---|---|---|---|"]
    for name, tally in tallies.items():
        fault = FAULTS[name]
        forms = f": {', '.join(fault.stages)}" if len(fault.stages) > 1 else ""
        skipped = f"; not injected: {len(tally.skipped)} ({tally.skipped[0]})" if tally.skipped else ""
        lines.append(f"| {name} | {fault.says}{forms}{skipped} | {tally.injected} | {tally.survived} |")
    return lines


def document(text: str, tallies: dict[str, Tally], *, seed: int, rounds: int, day: datetime.date) -> str:
    """A document with the last run between its markers; raises ``ValueError`` where it has none."""
    before, marker, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not marker or not end:
        raise ValueError(f"the document has no {_BEGIN} or no {_END}")
    injected, survived = total(tallies)
    told = f"On {day}, with seed {seed} and {rounds} rounds: **{injected} faults injected, {survived} survived**."
    return "\n".join([before + _BEGIN, "", told, "", *table(tallies), "", _END + after])


def total(tallies: dict[str, Tally]) -> tuple[int, int]:
    """Faults injected, faults survived."""
    every: Sequence[Tally] = list(tallies.values())
    return sum(tally.injected for tally in every), sum(tally.survived for tally in every)


__all__ = ["FAULTS", "PATIENCE", "Fault", "Impossible", "Tally", "fault", "run", "run_trial", "table", "total"]
