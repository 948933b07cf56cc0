"""The shipped matrix against what people would write instead: nox, pip, pytest, a process for each test."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks import figures
from benchmarks.bench import SCENARIOS, Bench, tell
from benchmarks.page import goal, seconds, table, times
from benchmarks.usage import Usage, spend, surroundings
from compatmatrix.classify import classify
from compatmatrix.listings import PROBE
from compatmatrix.records import Ended
from compatmatrix.results import Run

PLAIN = Path(__file__).parent / "plain"
TIMES = 10
_PIN = re.compile(r"^[A-Za-z0-9][\w.-]*(?: @ \S+|==\S+)", re.MULTILINE)


def section(bench: Bench) -> str:
    """The section, as Markdown."""
    ours = bench.cold
    results = Run.from_json((bench.report / "latest.json").read_bytes())  # before the state is used for more
    each, project = bench.each, write(bench)
    fill(project)
    tell(f"plain nox, pip and pytest: {len(bench.sample)} tests in each of {len(bench.versions)} sessions")
    theirs = spend(
        [sys.executable, "-m", "nox", "-s", "cells"], cwd=project, log=bench.directory / "log", statuses=(0,)
    )
    tests = [json.loads(line) for line in (project / "results.jsonl").read_text(encoding="utf-8").splitlines()]
    shutil.rmtree(project / ".nox")
    test = Usage(wall=mean(tests, "wall"), processor=mean(tests, "processor"))
    return text(bench, (ours, each), (theirs, test), agreement(tests, results))


def mean(tests: list[dict[str, Any]], what: str) -> float:
    """The mean of what the tests took."""
    return sum(float(each[what]) for each in tests) / len(tests)


def pins(lock: str) -> list[str]:
    """The requirements of a lock, without hashes: pip refuses a git source among hashes."""
    return _PIN.findall(lock)


def write(bench: Bench) -> Path:
    """The throw-away project: the same versions and cells, and exactly the packages of their locks."""
    project = bench.directory / "plain"
    shutil.copytree(PLAIN, project, ignore=shutil.ignore_patterns("__pycache__"))
    devices = {id: count for count, group in bench.groups for id in group}
    for version, column in bench.columns.items():
        lock = (bench.python(column).parent.parent / "requirements.lock").read_text(encoding="utf-8")
        required = "\n".join([*pins(lock), "pytest"]) + "\n"
        (project / f"requirements-{version}.txt").write_text(required, encoding="utf-8")
    told = {
        "versions": list(bench.versions),
        "probe": str(PROBE),
        "scenarios": str(SCENARIOS),
        "cells": [{"id": id, "devices": devices[id]} for id in bench.sample],
    }
    (project / "project.json").write_text(json.dumps(told), encoding="utf-8")
    return project


def fill(project: Path) -> None:
    """Fill pip's cache with what will be installed."""
    tell("filling pip's cache")
    venv = project / "pip"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, env=surroundings())
    for required in sorted(project.glob("requirements-*.txt")):
        command = [str(venv / "bin" / "python"), "-m", "pip", "download", "-q", "--dest", str(venv / "wheels")]
        spend([*command, "-r", str(required)], cwd=project, log=project / "log")
    shutil.rmtree(venv)


def agreement(tests: list[dict[str, Any]], run: Run) -> tuple[int, list[str]]:
    """In how many cells both ways came to the same outcome, and the cells in which they did not."""
    differ = []
    for test in tests:
        ended = Ended(
            how="exited" if test["code"] >= 0 else "signal",
            number=abs(test["code"]),
            seconds=test["wall"],
            peak_memory=0,
            log="",
            record=test["record"],
            record_error="no record was printed",
        )
        here = classify(test["cell"], test["version"], ended).outcome
        there = run.result(test["version"], test["cell"]).outcome
        if here is not there:
            differ.append(f"{test['version']} {test['cell']}: {there.value}, by hand {here.value}")
    return len(tests) - len(differ), differ


def text(bench: Bench, ours: tuple[Usage, Usage], theirs: tuple[Usage, Usage], agreed: tuple[int, list[str]]) -> str:
    """The table and the goal; each way is given as the run of the sample, and one more cell."""
    versions, more = len(bench.versions), (len(bench.every) - len(bench.sample)) * len(bench.versions)
    matrix = [
        Usage(
            wall=figures.whole(run.wall, more, each.wall),
            processor=figures.whole(run.processor, more, each.processor),
        )
        for run, each in (ours, theirs)
    ]
    rows = [
        row(f"**{len(bench.sample)} cells in each of {versions} columns**, measured", ours[0], theirs[0]),
        row("one more cell in one column", ours[1], theirs[1]),
        row(f"all {len(bench.every)} cells in each column, *estimated*", *matrix),
    ]
    if bench.everything:
        rows.append(row("all cells: measured here, *estimated* there", bench.everything, matrix[1]))
    head = ["what", "here, wall", "plain, wall", "ratio", "here, processor", "plain, processor", "ratio"]
    faster, cheaper = theirs[0].wall / ours[0].wall, theirs[0].processor / ours[0].processor
    found = f"{times(faster)} in wall-clock time, {times(cheaper)} in processor time, over the sample"
    reached = goal(
        f"at least {TIMES} times faster, cold, with warm package caches",
        met=faster >= TIMES,
        found=found,
        why=f"The sample has {len(bench.sample)} of {len(bench.every)} cells, so that environments and imports weigh "
        f"more than in the whole matrix: {times(figures.ratio(matrix[1].wall, matrix[0].wall))} is estimated for it.",
    )
    same, differ = agreed
    told = f"Both ways gave the same outcome in {same} of {same + len(differ)} cells."
    if differ:
        told += " Not in: " + "; ".join(f"`{each}`" for each in differ[:5]) + "."
    parts = Counter(id.partition("/")[0] for id in bench.sample)
    return f"""\
The shipped matrix against a plain project: nox with a session for each version, one after another; `pip install` of
exactly the same packages into a fresh virtualenv; pytest with a test for each cell, and a process for each test that
imports torch and transformers and runs the scenario's function. Package caches are warm on both sides, and nothing
else is. The cells are a fixed sample: {", ".join(f"{name} {count}" for name, count in parts.items())}; one in \
{len(bench.every) / len(bench.sample):.0f} of the list, evenly spaced.
{told}

{table(head, rows)}

The estimate is the measured run and, for each cell that is not in the sample, what one more cell takes: here the
difference from a sample of another size, there the mean of the tests. The sample understates the ratio:
what a column costs once weighs more in it.

{reached}"""


def row(what: str, ours: Usage, theirs: Usage) -> list[str]:
    """One line: both ways, and how many times longer the other one takes."""
    wall = [seconds(ours.wall), seconds(theirs.wall), times(figures.ratio(theirs.wall, ours.wall))]
    cost = [seconds(ours.processor), seconds(theirs.processor)]
    return [what, *wall, *cost, times(figures.ratio(theirs.processor, ours.processor))]
