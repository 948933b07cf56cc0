"""One real column: transformers itself, every shipped scenario, forked and in fresh processes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from compatmatrix import loading, plan
from compatmatrix.results import CellResult, Outcome, Run

ROOT = Path(__file__).parents[2]
VERSION = "4.46.3"

pytestmark = pytest.mark.slow


def run_column(directory: Path, *arguments: str) -> Run:
    """Run the column by the command line, as a user would, and read the report's JSON."""
    command = [sys.executable, "-m", "compatmatrix", "run", "--versions", VERSION, "--state", str(directory)]
    command += ["--output", str(directory / "report"), *arguments]
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3, 4), done.stdout[-3000:] + done.stderr[-3000:]
    return Run.from_json((directory / "report" / "latest.json").read_bytes())


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    directory = tmp_path_factory.mktemp("column")
    return directory, run_column(directory)


def test_every_planned_cell_answers(forked: tuple[Path, Run]) -> None:
    _, run = forked
    scenarios, probe_hash = loading.discover([ROOT / "scenarios"])
    planned = plan.make(loading.load_matrix(ROOT / "matrix.yaml"), scenarios, probe_hash)
    assert [row.cell for row in run.results] == [cell.id for cell in planned.cells]
    assert {row.outcome for row in run.results} <= {outcome for outcome in Outcome if outcome.answered} | {
        Outcome.SKIPPED
    }
    assert run.columns[0].transformers == VERSION
    assert "--hash=sha256:" in run.columns[0].lock
    # A table in which nothing passes, or nothing fails, has measured nothing.
    counts = {outcome: sum(row.outcome is outcome for row in run.results) for outcome in Outcome}
    assert counts[Outcome.PASS] > 100
    assert counts[Outcome.FAIL] > 0
    assert counts[Outcome.UNSUPPORTED] > 0


def test_green_cells_have_measured_tensors_or_outputs(forked: tuple[Path, Run]) -> None:
    _, run = forked
    for row in run.results:
        if row.outcome is Outcome.PASS:
            assert row.checks, row.cell
            assert all(check.holds for check in row.checks), row.cell


def test_a_fresh_process_gives_the_same_as_a_forked_child_on_every_scenario(forked: tuple[Path, Run]) -> None:
    directory, run = forked
    cells = [scenario.cells[-1] for scenario in run.scenarios]
    again = run_column(directory, "--fresh", "--isolation", "spawn", *cells)

    def said(row: CellResult) -> tuple[str, str, str | None]:
        return row.outcome.value, row.fingerprint_digest, row.signature

    differing = {
        row.cell: (said(row), said(run.result(VERSION, row.cell)))
        for row in again.results
        if said(row) != said(run.result(VERSION, row.cell))
    }
    assert len(again.results) == len(cells)
    assert differing == {}
