"""``nox -s chaos``: the campaign, from a seed; exit status 1 where a fault was not survived."""

from __future__ import annotations

import argparse
import datetime
import fnmatch
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos import campaign, faults, world

_ = faults  # registers them


def main() -> int:
    """Run what was asked for, print a table, keep the details of what failed."""
    parser = argparse.ArgumentParser(prog="nox -s chaos --", description=__doc__)
    parser.add_argument("--seed", type=int, default=int(time.time()), help="decides every moment that chance chooses")
    parser.add_argument("--rounds", type=int, default=1, help="how often each fault is injected at each stage")
    parser.add_argument("--only", action="append", default=[], metavar="GLOB", help="only these faults")
    parser.add_argument("--log", type=Path, default=Path(".compatmatrix/chaos.log"), help="where problems are told")
    parser.add_argument("--write", type=Path, metavar="FILE", help="put the table into this document")
    asked = parser.parse_args()
    chosen = [
        fault
        for name, fault in campaign.FAULTS.items()
        if not asked.only or any(fnmatch.fnmatch(name, glob) for glob in asked.only)
    ]
    if not chosen:
        parser.error(f"no such fault; there are {', '.join(campaign.FAULTS)}")
    began = time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that mounts are undone
    asked.log.parent.mkdir(parents=True, exist_ok=True)
    with asked.log.open("w", encoding="utf-8") as log, tempfile.TemporaryDirectory(prefix="chaos-world-") as name:
        small = world.make(Path(name).resolve())
        tallies = campaign.run(small, chosen, seed=asked.seed, rounds=asked.rounds, echo=_echo, log=log)
    injected, survived = campaign.total(tallies)
    _echo("\n".join(["", *campaign.table(tallies), ""]))
    if asked.write:
        text = asked.write.read_text(encoding="utf-8")
        today = datetime.datetime.now(datetime.timezone.utc).date()
        text = campaign.document(text, tallies, seed=asked.seed, rounds=asked.rounds, day=today)
        asked.write.write_text(text, encoding="utf-8")
    _echo(f"seed {asked.seed}, {asked.rounds} rounds, {time.monotonic() - began:.0f} s; problems: {asked.log}")
    _echo(f"{injected} faults injected, {survived} survived")
    return int(survived < injected)


def _echo(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
