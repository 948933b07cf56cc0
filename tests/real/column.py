"""A real column run by the command line, and some of its cells measured again in other ways."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compatmatrix import attempts, listings, loading, plan
from compatmatrix.execute import Probe
from compatmatrix.measuring import by_devices
from compatmatrix.results import CellResult, Run

ROOT = Path(__file__).parents[2]
SCENARIOS = ROOT / "scenarios"
VERSION = "4.46.3"

#: A cell, and all that it said.
Answer = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Column:
    """The column as the command line measured it: every cell, forked, in the order of the table."""

    state: Path
    run: Run
    planned: plan.Plan

    @property
    def python(self) -> Path:
        """The interpreter of its environment."""
        return self.state / "environments" / self.run.columns[0].environment / "bin" / "python"

    @property
    def ids(self) -> list[str]:
        return [cell.id for cell in self.planned.cells]

    def said(self, cell: str) -> dict[str, Any]:
        return said(self.run.result(VERSION, cell))


def run(state: Path) -> Column:
    """Run every cell of the version, as a user would, and read the report's JSON."""
    command = [sys.executable, "-m", "compatmatrix", "run", "--versions", VERSION, "--state", str(state)]
    command += ["--output", str(state / "report")]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3, 4), done.stdout[-3000:] + done.stderr[-3000:]
    scenarios, probe_hash = loading.discover([SCENARIOS])
    planned = plan.make(loading.load_matrix(ROOT / "matrix.yaml"), scenarios, probe_hash)
    return Column(state, Run.from_json((state / "report" / "latest.json").read_bytes()), planned)


def said(row: CellResult) -> dict[str, Any]:
    """All that a cell answered: not how long it took, what it used, or what it printed."""
    names = {"outcome", "signature", "reason", "fingerprint", "warnings", "checks"}
    # By way of JSON, in which a NaN is a string and equals itself.
    found: dict[str, Any] = json.loads(row.model_dump_json(include=names))
    found["exception"] = (row.failure.type, row.failure.message, row.failure.step) if row.failure else None
    return found


def chosen(cells: Iterable[str], share: int) -> list[str]:
    """About one cell of ``share``, always the same ones, in an order of their own: by a hash of their ids."""
    hashed = {cell: int(hashlib.sha256(cell.encode()).hexdigest(), 16) for cell in cells}
    return sorted((cell for cell in hashed if hashed[cell] % share == 0), key=lambda cell: hashed[cell])


def measure(column: Column, work: Path, cells: Sequence[str], *, isolation: str = "fork") -> list[Answer]:
    """Run these cells, in this order, and nothing else; what each of them said, each time.

    Cells on virtual cards come after the others: their torch is another one.
    """
    by_id = {cell.id: cell for cell in column.planned.cells}
    policy = column.planned.matrix.policy
    found: list[Answer] = []
    for devices, group in by_devices([by_id[cell] for cell in cells]):
        with Probe(
            column.python,
            listings.PROBE,
            [SCENARIOS],
            work / str(devices),
            isolation=isolation,
            threads=policy.threads,
            virtual_cuda=devices,
            environ=dict(os.environ),
        ) as probe:
            found += [(cell.id, said(attempts.run_cell(probe, VERSION, cell, policy))) for cell in group]
    return found


def measure_spawned(column: Column, work: Path, cells: Sequence[str]) -> list[Answer]:
    """Run each of these cells in a fresh process of its own, as many at once as there are cores."""
    workers = min(len(os.sched_getaffinity(0)), 8)
    shares = [cells[start::workers] for start in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        parts = pool.map(
            lambda number: measure(column, work / str(number), shares[number], isolation="spawn"),
            [number for number, share in enumerate(shares) if share],
        )
        return [answer for part in parts for answer in part]


def differing(column: Column, answers: Sequence[Answer]) -> list[Any]:
    """Of what is not as it was in the column: the cell, and for each thing what was said there and what now."""
    found = []
    for cell, answer in answers:
        before = column.said(cell)
        changed = {name: (before[name], answer[name]) for name in answer if answer[name] != before[name]}
        found += [(cell, changed)] if changed else []
    return found
