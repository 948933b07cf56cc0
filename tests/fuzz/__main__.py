"""``nox -s fuzz``: every target fuzzed for some seconds, guided by coverage (atheris); what breaks one is kept.

    nox -s fuzz -- --seconds 120 --only matrix       one target
    nox -s fuzz -- --repeat matrix FILE              what was found, once more

Where atheris has no wheel for this Python, the property tests are run with a large budget instead.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

NAMES = ("matrix", "ledger", "claims", "record", "run", "history", "store", "row", "cleaned", "arguments")
_SLOW = 30
"""Seconds: input that is at work for longer has found a hang."""


def main() -> int:
    """Exit status 1 where something was found."""
    parser = argparse.ArgumentParser(prog="nox -s fuzz --", description=__doc__)
    parser.add_argument("--seconds", type=int, default=30, help="for each target")
    parser.add_argument("--only", action="append", choices=NAMES, help="only this target; may be given again")
    parser.add_argument("--seed", type=int, default=0, help="0: by the clock")
    parser.add_argument("--found", type=Path, default=Path(".compatmatrix/fuzz"), help="where findings are kept")
    parser.add_argument("--repeat", nargs=2, metavar=("TARGET", "FILE"), help="run one target on one file")
    asked = parser.parse_args()
    if asked.repeat:
        return _repeat(*asked.repeat)
    names = asked.only or list(NAMES)
    if importlib.util.find_spec("atheris") is None:
        return _without_guidance(asked.seconds)
    asked.found = asked.found.resolve()  # command lines are tried in a directory of their own
    asked.found.mkdir(parents=True, exist_ok=True)
    broken = [name for name in names if not _fuzz(name, asked)]
    print(f"{len(names)} targets, {asked.seconds} s each; broken: {', '.join(broken) or 'none'}")
    return int(bool(broken))


def _fuzz(name: str, asked: argparse.Namespace) -> bool:
    """One target in a process of its own; whether it held."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as corpus:
        command = [sys.executable, "-m", "tests.fuzz.guided", name, corpus, f"-max_total_time={asked.seconds}"]
        command += [f"-timeout={_SLOW}", f"-seed={asked.seed}", "-rss_limit_mb=4096", "-max_len=200000"]
        command += [f"-artifact_prefix={asked.found}/{name}-"]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    told = done.stdout + done.stderr
    runs = next((line.split()[1] for line in told.splitlines() if line.startswith("Done ")), "?")
    print(f"{name}: {runs} inputs" + ("" if done.returncode == 0 else f"; BROKEN\n{told[-4000:]}"), flush=True)
    return done.returncode == 0


def _repeat(name: str, file: str) -> int:
    from tests.fuzz import guided

    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        guided.target(name, Path(folder))(Path(file).read_bytes())
    print(f"{name}: it held")
    return 0


def _without_guidance(seconds: int) -> int:
    print("atheris is not there: the property tests are run with a large budget instead")
    environ = {**os.environ, "COMPATMATRIX_FUZZ": str(20 * seconds)}
    return subprocess.run([sys.executable, "-m", "pytest", "-q", "tests/fuzz"], env=environ, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
