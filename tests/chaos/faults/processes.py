"""Processes that are killed, interrupted or stopped: the host, the zygote, a cell's child."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import psutil

from tests.chaos.campaign import fault
from tests.chaos.trial import Running, Trial
from tests.chaos.world import CELLS

STAGES = ("starting", "resolving", "building", "importing", "cell", "reporting", "publishing")
_SECONDS = {"starting": 0.4, "resolving": 0.2, "building": 0.2, "importing": 0.1, "cell": 0.3, "reporting": 0.8}


def reach(trial: Trial, run: Running, stage: str) -> bool:
    """Wait until a run is at a stage, and for some moment within it; False where it has ended before."""
    version, cell = trial.dice.choice(trial.world.versions), trial.dice.randint(1, CELLS)
    words = {
        "resolving": f"{version}  resolving",
        "building": f"{version}  environment for",
        "importing": f"{version}  importing",
        "cell": f"{version}  {cell}/{CELLS}",
        "reporting": f"{trial.world.versions[-1]}  {CELLS}/{CELLS}",
        "publishing": f"{trial.world.versions[-1]}  {CELLS}/{CELLS}",
    }.get(stage)
    if words and not run.until(words):
        return False
    if stage == "publishing":
        return _publishing(trial, run)
    trial.pause(_SECONDS[stage])
    return run.process.poll() is None


def _publishing(trial: Trial, run: Running) -> bool:
    while run.process.poll() is None:
        if any(trial.reports.glob(".report-*")):
            trial.pause(0.02)
            return run.process.poll() is None
        time.sleep(0.0005)
    return False


def _signal(number: signal.Signals, *, group: bool = False) -> Callable[[Trial, str], None]:
    def inject(trial: Trial, stage: str) -> None:
        run = trial.start()
        if reach(trial, run, stage):
            trial.struck = run.send(number, group=group)

    return inject


@fault("kill -9 of the host", *STAGES, base="fresh")
def kill_host(trial: Trial, stage: str) -> None:
    _signal(signal.SIGKILL)(trial, stage)


@fault("Ctrl-C: SIGINT to the host and all of its process group", *STAGES, base="fresh")
def interrupt_host(trial: Trial, stage: str) -> None:
    _signal(signal.SIGINT, group=True)(trial, stage)


@fault("SIGTERM to the host", *STAGES, base="fresh")
def terminate_host(trial: Trial, stage: str) -> None:
    _signal(signal.SIGTERM)(trial, stage)


@fault("SIGHUP to the host: its terminal is closed", *STAGES, base="fresh")
def hang_up_host(trial: Trial, stage: str) -> None:
    _signal(signal.SIGHUP)(trial, stage)


def _strike(trial: Trial, number: signal.Signals, *, child: bool, stage: str = "cell") -> None:
    """A signal to the zygote, or to a cell's child: that of the slow cell, or of any."""
    run = trial.start()
    if stage == "importing":
        reached = run.until(f"{trial.dice.choice(trial.world.versions)}  importing")
    else:
        cell = trial.dice.choice(("tiny/slow", "tiny/slow", "tiny/late"))
        reached = run.until(f"/{CELLS}  {cell}")
        trial.pause(0.3)
    deadline = time.monotonic() + 2
    while reached and time.monotonic() < deadline and not trial.struck:
        process = trial.probe(run, child=child)
        if process is not None:
            try:
                process.send_signal(number)
                trial.struck = True
            except psutil.Error:
                continue
        time.sleep(0.005)


@fault("kill -9 of the zygote", "importing", "cell")
def kill_zygote(trial: Trial, stage: str) -> None:
    _strike(trial, signal.SIGKILL, child=False, stage=stage)


@fault("kill -9 of a cell's child, as the kernel does when memory is short")
def kill_child(trial: Trial, stage: str) -> None:
    _strike(trial, signal.SIGKILL, child=True)


@fault("SIGTERM to a cell's child")
def terminate_child(trial: Trial, stage: str) -> None:
    _strike(trial, signal.SIGTERM, child=True)


@fault("SIGSTOP of a cell's child: it stands still")
def stop_child(trial: Trial, stage: str) -> None:
    _strike(trial, signal.SIGSTOP, child=True)


@fault("SIGSTOP of the zygote")
def stop_zygote(trial: Trial, stage: str) -> None:
    _strike(trial, signal.SIGSTOP, child=False)


@fault("SIGSTOP of the host for four seconds, longer than a cell may stand still, then SIGCONT")
def stop_host(trial: Trial, stage: str) -> None:
    run = trial.start()
    if reach(trial, run, "cell") and run.send(signal.SIGSTOP):
        run.sent = None
        trial.struck = True
        time.sleep(4)
        run.process.send_signal(signal.SIGCONT)
