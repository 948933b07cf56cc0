"""What the design costs, as ratios measured in one run on one machine. Run it with ``nox -s bench``.

    python benchmarks/measure.py [--version 4.46.3] [--cells 'llama/plain'] [--write docs/performance.md]
    python benchmarks/measure.py --only virtual-cuda --write docs/performance.md

Nothing here is a test: no figure makes anything fail. A section that is not measured stays on the page as it is.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import children
import report

from compatmatrix.session import version_ids

ROOT = Path(__file__).resolve().parent.parent
PAGE = """\
# Performance

Written by `nox -s bench`. Every figure compares two ways of doing the same work in the same run on the same
machine; seconds differ from machine to machine, ratios much less.
"""
DESIGN, VIRTUAL, REPORT = "Design", "Virtual CUDA", "A very large report"
SECTIONS = {"design": DESIGN, "virtual-cuda": VIRTUAL, "report": REPORT}


def seconds(command: Sequence[str], **more: str) -> float:
    """Wall-clock seconds of a command that must succeed or tell news."""
    began = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env={**os.environ, **more})
    took = time.perf_counter() - began
    if done.returncode not in (0, 1, 3, 4, 5):  # 1: nox, told news by its session
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return took


def compatmatrix(*arguments: str) -> list[str]:
    """The command line of the tool."""
    return [sys.executable, "-m", "compatmatrix", *arguments]


def row(what: str, ours: float, theirs: float, how: str) -> str:
    """One line of the table; the ratio says how many times longer the other way takes."""
    return f"| {what} | {ours:.2f} s | {theirs:.2f} s, {how} | {theirs / ours:.1f} |"


def cells(version: str, globs: Sequence[str], state: Path) -> str:
    """Cells through the zygote against a fresh process for each."""
    common = ["column", version, *globs, "--state", str(state), "--fresh"]
    seconds(compatmatrix(*common))  # environments are built and byte-compiled before anything is timed
    forked = seconds(compatmatrix(*common, "--isolation", "fork"))
    spawned = seconds(compatmatrix(*common, "--isolation", "spawn"))
    listing = json.loads(_listing(version, globs))
    return row(f"{listing} cells of one column", forked, spawned, "a fresh process for each cell")


def _listing(version: str, globs: Sequence[str]) -> str:
    done = subprocess.run(
        compatmatrix("list", "--versions", version, *globs), cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip().splitlines()[-1].split()[0]


def environments(version: str, state: Path, repeat: int = 3) -> str:
    """An environment by uv from its lock, against ``venv`` and ``pip`` from the same lock; package caches are warm."""
    with_uv = []
    for _ in range(repeat):
        shutil.rmtree(state / "environments", ignore_errors=True)
        with_uv.append(seconds(compatmatrix("environment", version, "--state", str(state))))
    (manifest,) = (state / "environments").glob("*/column.json")
    packages = json.loads(manifest.read_text(encoding="utf-8"))["column"]["packages"]
    pins = [f"{package['name']}=={package['version']}" for package in packages]
    with tempfile.TemporaryDirectory() as directory:
        venv = Path(directory) / "venv"
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        install = [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", "--no-deps", *pins]
        subprocess.run(install, check=True, stdout=subprocess.DEVNULL)
        with_pip = time.perf_counter() - began
    return row(
        "resolve, lock and build one environment", statistics.median(with_uv), with_pip, "venv and pip, no resolving"
    )


def unchanged(state: Path) -> str:
    """A second, unchanged run of the whole matrix through nox against the first, columns in parallel."""
    shutil.rmtree(state, ignore_errors=True)
    common = [sys.executable, "-m", "nox", "-s", "matrix", "--", "--state", str(state)]
    common += ["--output", str(state / "report")]
    first = seconds(common)
    again = seconds(common)
    return row("`nox -s matrix`, unchanged", again, first, "the first run")


def design(version: str, globs: Sequence[str], state: Path) -> str:
    """The section about zygotes, environments and stored results."""
    rows = [cells(version, globs, state), environments(version, state), unchanged(state)]
    head = ["| what | this project | compared with | ratio |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])


def measured(text: str) -> str:
    """A section's text, with when and on what it was measured."""
    machine = f"{os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}"
    return f"Measured on {datetime.date.today().isoformat()}: {machine}.\n\n{text}"


def page(path: Path | None, new: dict[str, str]) -> str:
    """The page with new sections; those of `path` that were not measured are kept."""
    old = path.read_text(encoding="utf-8") if path is not None and path.exists() else ""
    kept = dict(block.split("\n\n", 1) for block in old.split("\n## ")[1:])
    sections = {title: new.get(title, kept.get(title, "")) for title in SECTIONS.values()}
    return PAGE + "".join(f"\n## {title}\n\n{text.strip()}\n" for title, text in sections.items() if text)


def main() -> None:
    """Measure, print the sections, and write them where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=SECTIONS, help="measure this section alone")
    parser.add_argument("--version", default="4.46.3", help="the column to measure the design in")
    parser.add_argument(
        "--cells", nargs="*", default=["llama/plain", "llama/auto-model"], help="the cells to run both ways"
    )
    parser.add_argument("--write", type=Path, help="write the page here")
    options = parser.parse_args()
    new = {}
    with tempfile.TemporaryDirectory(prefix="compatmatrix-bench-") as directory:
        state = Path(directory)
        if options.only in (None, "design"):
            new[DESIGN] = measured(design(options.version, options.cells, state))
        if options.only in (None, "virtual-cuda"):
            new[VIRTUAL] = measured(children.table(version_ids(), state))
        if options.only in (None, "report"):
            new[REPORT] = measured(report.table(state))
    text = page(options.write, new)
    print(text)
    if options.write:
        options.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
