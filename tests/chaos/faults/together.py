"""Runs that meet: two of them in one checkout at once, an impatient user, a reader that goes away."""

from __future__ import annotations

import contextlib
import signal
import time

from tests.chaos.campaign import fault
from tests.chaos.faults.processes import reach
from tests.chaos.trial import Trial
from tests.chaos.world import VERSIONS


@fault("two whole runs at once in one checkout", base="fresh", report=True)
def two_runs(trial: Trial, stage: str) -> None:
    trial.start()
    trial.pause(0.6)
    trial.start()
    trial.struck = True


@fault("two runs of one column, and reports made meanwhile", base="built", report=True)
def columns_and_reports(trial: Trial, stage: str) -> None:
    for _ in range(2):
        trial.start("compatmatrix", "column", VERSIONS[0]).answers = (0,)
    trial.pause(0.4)
    for _ in range(2):
        trial.start("compatmatrix", "report").answers = (5,)
    trial.struck = True


@fault("kill -9 of a run while a second one waits for it or goes on beside it", base="fresh")
def one_of_two_killed(trial: Trial, stage: str) -> None:
    first = trial.start()
    trial.pause(0.3)
    trial.start()
    if reach(trial, first, trial.dice.choice(("building", "cell", "cell", "reporting"))):
        trial.struck = first.send(signal.SIGKILL)


@fault("Ctrl-C three times in a row", "building", "cell", "reporting", base="fresh")
def impatience(trial: Trial, stage: str) -> None:
    run = trial.start()
    if reach(trial, run, stage):
        for _ in range(3):
            with contextlib.suppress(ProcessLookupError):
                trial.struck = run.send(signal.SIGINT, group=True) or trial.struck
            time.sleep(trial.dice.uniform(0, 0.05))


@fault("who reads the output goes away in mid-run: `compatmatrix run | head`")
def reader_gone(trial: Trial, stage: str) -> None:
    run = trial.start()
    if reach(trial, run, "cell"):
        run.stop_reading()
        trial.struck = True
