"""What a child that uses virtual cards costs, against the same child on the CPU."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks import page
from benchmarks.bench import ROOT, SCENARIOS, tell
from benchmarks.floor import spent
from compatmatrix.execute import Limits, Probe
from compatmatrix.listings import PROBE

ROOTS = [SCENARIOS, ROOT / "benchmarks" / "scenarios"]
#: A value in a cell's name that asks for cards, and the value of the same cell on the CPU.
SIBLINGS = {"2-cards-auto": "auto", "2-cards-balanced": "balanced", "virtual-cuda:2": "cpu"}
#: The work of benchmarks/scenarios: placed on one card, and by ``auto`` over two, against the CPU with the same hooks
#: (accelerate's, which every model on several devices has) and without.
LARGER = {
    "a Llama of 20 MiB, loaded on one card, run, 8 tokens": ("cost/child[card]", "cost/child[cpu]"),
    'the same with `device_map="auto"` over two cards, the CPU with the same hooks': (
        "cost/child[cards]",
        "cost/child[hooked]",
    ),
    "… the CPU without any": ("cost/child[cards]", "cost/child[cpu]"),
}
LIMITS = Limits(timeout=120)


def pairs(python: Path, state: Path) -> Iterator[tuple[str, str]]:
    """The matrix's cells on cards, each with its sibling on the CPU, where it has one."""
    listing = state / "listing.json"
    command = [str(python), "-I", str(PROBE), "list", str(ROOTS[0]), "--out", str(listing)]
    subprocess.run(command, check=True)
    for scenario in json.loads(listing.read_text(encoding="utf-8"))["scenarios"]:
        labels = [variant["label"] for variant in scenario["variants"]]
        for label in labels:
            sibling = "[" + ",".join(SIBLINGS.get(value, value) for value in label.strip("[]").split(",")) + "]"
            if sibling != label and sibling in labels:
                yield scenario["id"] + label, scenario["id"] + sibling


def ratio(state: Path, cards: Probe, cpu: Probe, pair: tuple[str, str], repeat: int) -> float | None:
    """Processor time of `repeat` runs of each, alternating; None where one did not end well: not the same work."""
    taken = [0.0, 0.0]
    for turn in range(repeat + 1):
        for number, (probe, slot) in enumerate(((cards, "cards"), (cpu, "cpu"))):
            before = spent(state / slot)[1]
            ended = probe.run(pair[number], LIMITS)
            if ended.record is None or ended.record["status"] != "done":
                return None
            if turn:  # the first run of a cell byte-compiles what it imports
                taken[number] += spent(state / slot)[1] - before
    return taken[0] / taken[1]


def column(version: str, state: Path, repeat: int) -> dict[str, str]:
    """The ratios of one version: what was compared -> its cell of the table."""
    command = [sys.executable, "-m", "compatmatrix", "environment", version, "--state", str(state)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    python = Path(done.stdout.split()[-1])
    shown = {}
    with (
        Probe(python, PROBE, ROOTS, state / "cards", virtual_cuda=2) as cards,
        Probe(python, PROBE, ROOTS, state / "cpu") as cpu,
    ):
        for name, pair in LARGER.items():
            found = ratio(state, cards, cpu, pair, repeat)
            shown[name] = f"{found:.2f}" if found else "–"
        ratios = [(ratio(state, cards, cpu, pair, repeat), pair[0]) for pair in pairs(python, state)]
    known = sorted(found for found, _ in ratios if found is not None)
    shown["the matrix's own cells, median"] = f"{statistics.median(known):.2f} ({len(known)} cells)" if known else "–"
    shown["the matrix's own cells, largest"] = f"{known[-1]:.2f}" if known else "–"
    return shown


def section(versions: Sequence[str], state: Path, repeat: int = 7) -> str:
    """The section: a row for what is compared, a column for each version."""
    found = {}
    for version in versions:
        tell(f"children on virtual cards: {version}")
        found[version] = column(version, state, repeat)
    rows = [[name, *(column[name] for column in found.values())] for name in next(iter(found.values()))]
    return page.table(["processor time on virtual cards, CPU = 1", *found], rows)
