"""The sections' own parts: pins from a lock, whether two ways agree, and the texts that are made of measurements."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import design, growth
from benchmarks.growth import Point
from benchmarks.usage import Usage
from compatmatrix import listings, loading
from compatmatrix.results import Outcome, Run
from tests.report import factory

LOCK = """\
# CPython 3.11.7, linux-x86_64
accelerate==1.15.0 \\
    --hash=sha256:0123
numpy==2.4.0 ; python_version >= '3.11' \\
    --hash=sha256:4567 \\
    --hash=sha256:89ab
torch==2.13.0+cpu \\
    --hash=sha256:cdef
transformers @ git+https://example.org/transformers@1c0f782fe5f983727ff245c4c1b3906f9b99eec2
"""


def test_the_plain_project_installs_exactly_what_the_lock_says() -> None:
    assert design.pins(LOCK) == [
        "accelerate==1.15.0",
        "numpy==2.4.0",
        "torch==2.13.0+cpu",
        "transformers @ git+https://example.org/transformers@1c0f782fe5f983727ff245c4c1b3906f9b99eec2",
    ]


def record(cell: str, measured: float) -> dict[str, Any]:
    names = ("exception", "unsupported", "message")
    empty: dict[str, Any] = {"architectures": {}, "fingerprint": {}, "warnings": [], "steps": [], "versions": {}}
    checks = [{"name": "value", "measured": measured, "limit": 0, "detail": ""}]
    told = {"schema": 1, "cell": cell, "status": "done", "answered": True, "seconds": 0.1, "peak_memory": 1}
    return {**told, **empty, **dict.fromkeys(names), "checks": checks}


def test_both_ways_are_compared_by_their_outcomes() -> None:
    cells = ("[a]", "[b]", "[c]")
    scenario = factory.scenario("llama/plain", cells)
    results = [factory.passed(cell, "4.46.3") for cell in scenario.cells]
    run: Run = factory.run([scenario], results, [factory.column("4.46.3", "4.46.3")])
    tests: list[dict[str, Any]] = [
        {"version": "4.46.3", "cell": "llama/plain[a]", "code": 0, "wall": 1, "record": record("llama/plain[a]", 0)},
        {"version": "4.46.3", "cell": "llama/plain[b]", "code": 0, "wall": 1, "record": record("llama/plain[b]", 9)},
        {"version": "4.46.3", "cell": "llama/plain[c]", "code": -11, "wall": 1, "record": None},
    ]
    same, differ = design.agreement(tests, run)
    assert same == 1
    assert differ == [
        f"4.46.3 llama/plain[b]: pass, by hand {Outcome.WRONG.value}",
        f"4.46.3 llama/plain[c]: pass, by hand {Outcome.CRASH.value}",
    ]


def points(power: float) -> list[Point]:
    def used(columns: int) -> Usage:
        return Usage(wall=columns**power, processor=columns**power, memory=columns << 20)

    return [
        Point(
            columns=columns,
            scenarios=50,
            first=used(columns),
            again=used(columns),
            store=columns * 3000,
            environments=columns,
        )
        for columns in (10, 40, 120)
    ]


@pytest.mark.parametrize(("power", "met"), [(1.0, "**Met**"), (1.6, "**Not met**")])
def test_growth_that_is_more_than_linear_is_told(power: float, met: str) -> None:
    same = [Point(**{**vars(point), "columns": 10, "scenarios": point.columns}) for point in points(1.0)]
    text = growth.text(points(power), same)
    assert met in text
    assert f"{power:.2f} / {power:.2f}" in text


def test_a_tiny_matrix_is_one_that_the_tool_reads(tmp_path: Path) -> None:
    growth.project(tmp_path / "tiny", 3, 25)
    matrix = loading.load_matrix(tmp_path / "tiny" / "matrix.yaml")
    scenarios, _ = loading.discover([tmp_path / "tiny" / "scenarios"])
    assert [version.id for version in matrix.versions] == ["1.0.0", "1.0.1", "1.0.2"]
    assert len([cell for scenario in scenarios for cell in scenario.cells]) == 25


def test_the_plain_project_is_complete() -> None:
    assert {path.name for path in design.PLAIN.glob("*.py")} == {"cell.py", "noxfile.py", "test_cells.py"}


def test_a_plain_process_runs_a_cell_and_prints_its_record(tmp_path: Path) -> None:
    for name, text in (("torch", growth.TORCH), ("transformers", growth.PACKAGE), ("accelerate", "")):
        (tmp_path / f"{name}.py").write_text(text.format(version="1.0"), encoding="utf-8")
    shutil.copy(design.PLAIN / "cell.py", tmp_path)
    growth.project(tmp_path / "tiny", 1, 3)
    command = [sys.executable, "-s", "cell.py", str(listings.PROBE), str(tmp_path / "tiny" / "scenarios")]
    done = subprocess.run([*command, "family-0/load-2", "0"], cwd=tmp_path, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert (told["cell"], told["status"], told["exception"]) == ("family-0/load-2", "done", None)
    assert [check["measured"] for check in told["checks"]] == [0]
