"""The clock goes back or ahead, for the host and all that it starts (libfaketime; monotonic time goes on)."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

from tests.chaos.campaign import fault
from tests.chaos.faults.processes import reach
from tests.chaos.trial import Impossible, Trial

HOUR = 3600


def library() -> Path:
    """The library that is preloaded: that of the package ``libfaketime``, or Debian's."""
    found = importlib.util.find_spec("libfaketime")
    roots = [Path(found.origin).parent] if found and found.origin else []
    roots += [*Path("/usr/lib").glob("*/faketime"), Path("/usr/local/lib/faketime")]
    for root in roots:
        yield_ = next(root.rglob("libfaketime*.so.1"), None)
        if yield_ is not None:
            return yield_
    raise Impossible("libfaketime is not installed")


def set_clock(trial: Trial, seconds: int) -> None:
    """Set the clock of this trial's processes, of those that run as well, so many seconds from the true time."""
    (trial.directory.parent / "clock").write_text(f"{seconds:+d}\n")


def _own_clock(trial: Trial) -> None:
    clock = {
        "LD_PRELOAD": str(library()),
        "FAKETIME_TIMESTAMP_FILE": str(trial.directory.parent / "clock"),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    set_clock(trial, -HOUR)
    code = "import time; print(time.time())"
    environ = {**trial.environ, **clock}
    told = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False).stdout
    true = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    if not told or not HOUR - 60 < float(true) - float(told) < HOUR + 60:
        raise Impossible("libfaketime does not work here")
    trial.environ.update(clock)
    for name in clock:
        trial.heal.callback(trial.environ.pop, name)


@fault("the clock goes back in mid-run", "an hour", "a year", "a second and on again")
def clock_back(trial: Trial, stage: str) -> None:
    _own_clock(trial)
    set_clock(trial, 0)
    run = trial.start()
    if reach(trial, run, trial.dice.choice(("building", "cell"))):
        set_clock(trial, {"an hour": -HOUR, "a year": -365 * 24 * HOUR}.get(stage, -1))
        if stage.startswith("a second"):
            trial.pause(0.3)
            set_clock(trial, 2)
        trial.struck = True


@fault("a run was made while the clock was ahead; now it is right again", "a day", "a second", base="built")
def clock_was_ahead(trial: Trial, stage: str) -> None:
    _own_clock(trial)
    set_clock(trial, 24 * HOUR if stage == "a day" else 1)
    trial.start().end()
    set_clock(trial, 0)
    trial.start()
    trial.struck = True
