"""What a column and a cell cost as there are more of them: tiny packages and scenarios, real runs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks.bench import ROOT, tell
from benchmarks.figures import exponent, steepest
from benchmarks.page import goal, seconds, table
from benchmarks.usage import Usage, spend
from tests.wheels import write_wheel

COLUMNS = ((10, 50), (40, 50), (120, 50))
SCENARIOS = ((10, 50), (10, 200), (10, 500))
LINEAR = 1.1
"""An exponent up to this counts as linear: what is measured scatters."""

FAMILIES, PER_FILE = 5, 10
PACKAGE = '__version__ = "{version}"\ndef load():\n    return 7\n'
TORCH = '__version__ = "1.0.0"\nclass cuda:\n    is_available = staticmethod(lambda: False)\n'
_SCENARIO = '''
@scenario(title="load and compare, {number}")
def load_{number}(cell: Cell) -> None:
    """The loaded value must be 7."""
    load = cell.api("load")
    cell.step("load")
    cell.check("value", abs(load() - 7), 0)
'''


@dataclass(frozen=True, kw_only=True)
class Point:
    """What a matrix of one size cost: the run, the same run unchanged, and the bytes that are kept."""

    columns: int
    scenarios: int
    first: Usage
    again: Usage
    store: int
    environments: int

    @property
    def cells(self) -> int:
        return self.columns * self.scenarios


def section(directory: Path) -> str:
    """The section, as Markdown."""
    index = directory / "index"
    wheels(index, max(columns for columns, _ in COLUMNS))
    measure(directory, index, 1, PER_FILE)  # what is only paid once
    found = {size: measure(directory, index, *size) for size in dict.fromkeys((*COLUMNS, *SCENARIOS))}
    return text([found[size] for size in COLUMNS], [found[size] for size in SCENARIOS])


def wheels(index: Path, versions: int) -> None:
    """A directory of tiny packages: a release of transformers for each column."""
    index.mkdir(parents=True)
    write_wheel(index, "torch", "1.0.0", {"torch/__init__.py": TORCH})
    write_wheel(index, "accelerate", "1.0.0", {"accelerate/__init__.py": '__version__ = "1.0.0"\n'})
    for number in range(versions):
        version = f"1.0.{number}"
        write_wheel(index, "transformers", version, {"transformers/__init__.py": PACKAGE.format(version=version)})


def project(path: Path, columns: int, scenarios: int) -> None:
    """A matrix of that size."""
    matrix = {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "versions": [{"id": f"1.0.{number}", "sources": [{"pypi": f"1.0.{number}"}]} for number in range(columns)],
        "companions": [{"package": name, "requirement": "==1.0.0", "why": "tiny"} for name in ("torch", "accelerate")],
    }
    path.mkdir(parents=True)
    (path / "matrix.yaml").write_text(yaml.safe_dump(matrix), encoding="utf-8")
    for number in range(0, scenarios, PER_FILE):
        family = path / "scenarios" / f"family_{number // PER_FILE % FAMILIES}"
        family.mkdir(parents=True, exist_ok=True)
        body = "".join(_SCENARIO.format(number=each) for each in range(number, min(number + PER_FILE, scenarios)))
        text = f'"""Tiny."""\n\nfrom compatprobe import Cell, scenario\n{body}'
        (family / f"from_{number}.py").write_text(text, encoding="utf-8")


def measure(directory: Path, index: Path, columns: int, scenarios: int) -> Point:
    """Run a matrix of that size in one process, column after column, and once more unchanged."""
    tell(f"growth: {columns} columns × {scenarios} scenarios")
    path = directory / f"{columns}x{scenarios}"
    project(path, columns, scenarios)
    environ = {name: text for name, text in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    environ |= {"PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": str(index), "PIP_NO_INDEX": "1"}
    environ |= {"UV_CACHE_DIR": str(directory / "cache"), "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"}
    command = [sys.executable, "-m", "compatmatrix", "run"]
    first, again = (spend(command, cwd=path, log=directory / "log", environ=environ) for _ in range(2))
    tell(f"… {seconds(first.processor)} of the processor, unchanged {seconds(again.processor)}")
    state = path / ".compatmatrix"
    store = sum(file.stat().st_size for file in state.glob("results.sqlite*"))
    environments = sum(file.stat().st_size for file in (state / "environments").rglob("*") if file.is_file())
    shutil.rmtree(path)
    return Point(columns=columns, scenarios=scenarios, first=first, again=again, store=store, environments=environments)


def text(by_columns: Sequence[Point], by_scenarios: Sequence[Point]) -> str:
    """Both tables, and the goal."""
    more_columns, slopes = grown(by_columns, "columns", [point.columns for point in by_columns])
    more_scenarios, others = grown(by_scenarios, "scenarios", [point.scenarios for point in by_scenarios])
    worst = max({**slopes, **others}.items(), key=lambda each: each[1])
    reached = goal(
        "linear growth: an exponent of about 1 at the most",
        met=worst[1] <= LINEAR,
        found=f"the largest exponent between the two largest sizes is {worst[1]:.2f} ({worst[0]})",
        why=f"It is {worst[1] - LINEAR:.2f} above what counts as linear here ({LINEAR}).",
    )
    return f"""\
Real runs of `compatmatrix run` over tiny packages and scenarios that do next to nothing, column after column in one
process: what is measured is this project. An exponent is the slope of the logarithms: 1 is linear, 0 does not grow,
2 would be quadratic. The first is fitted through all sizes; the one after the stroke is between the two largest, where
fixed costs hide nothing. Memory is that of the largest process, the host.

{more_columns}

{more_scenarios}

{reached}"""


def grown(points: Sequence[Point], what: str, sizes: Sequence[int]) -> tuple[str, dict[str, float]]:
    """A table of one kind of growth, and the exponents between its two largest sizes."""
    figures = {
        "run, processor": [point.first.processor for point in points],
        "run, wall": [point.first.wall for point in points],
        "unchanged, processor": [point.again.processor for point in points],
        "memory": [float(point.first.memory) for point in points],
        "store": [float(point.store) for point in points],
        "environments": [float(point.environments) for point in points],
    }
    one = "column" if what == "columns" else "cell"
    counts = [point.columns if one == "column" else point.cells for point in points]
    beside = f"{points[0].scenarios} scenarios each" if one == "column" else f"{points[0].columns} columns"
    rows = [
        [
            name,
            *(_shown(name, value) for value in values),
            _shown(name, (values[-1] - values[0]) / (counts[-1] - counts[0])),
            f"{exponent(sizes, values):.2f} / {steepest(sizes, values):.2f}",
        ]
        for name, values in figures.items()
    ]
    head = [f"{what}, {beside}", *(str(size) for size in sizes), f"one more {one}", "exponent"]
    # Wall-clock time is shown, but other work on the machine decides too much of it.
    return table(head, rows), {
        f"{name}, more {what}": steepest(sizes, values) for name, values in figures.items() if name != "run, wall"
    }


def _shown(name: str, value: float) -> str:
    if name.endswith(("processor", "wall")):
        return seconds(value) if value >= 0.1 else f"{1000 * value:.1f} ms"
    return f"{value / 1e6:.1f} MB" if abs(value) >= 1e5 else f"{value / 1000:.2f} kB"
