"""Small runs, one after the other, for the tests of history and comparison."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

from compatmatrix.results import CellResult, Column, Machine, Outcome, Run, Scenario, Substitute, Variant

DAY = datetime.timedelta(days=1)
START = datetime.datetime(2026, 3, 1, 6, 0, tzinfo=datetime.timezone.utc)
MACHINE = Machine(system="Linux", architecture="x86_64", python="3.11.9", cpus=2, memory=8 << 30)
CELLS = ("llama/auto[tied]", "llama/auto[disk]", "gemma3/text")
SCENARIOS = (
    Scenario(
        id="llama/auto",
        title="loads",
        family="llama",
        variants=(Variant(label="[tied]"), Variant(label="[disk]")),
        source_hash="a" * 64,
    ),
    Scenario(id="gemma3/text", title="answers", family="gemma3", variants=(Variant(label=""),), source_hash="b" * 64),
)


def column(version: str, **more: Any) -> Column:
    return Column(version=version, **{"transformers": version, "lock_hash": f"{version}-lock", **more})


COLUMNS = (
    column("4.46.3"),
    column("main", transformers="5.23.0", substitute=Substitute(shows="5.23.0", because="no way to the branch")),
)


def row(cell: str, version: str, outcome: Outcome = Outcome.PASS, **more: Any) -> CellResult:
    fields: dict[str, Any] = {"fingerprint": {"model": {"dtypes": ["float32"]}}, "seconds": 1.0, "peak_memory": 1 << 20}
    if outcome is not Outcome.PASS:
        fields |= {"signature": f"ValueError: {outcome.value}", "reason": f"ValueError: {outcome.value}"}
    return CellResult(cell=cell, version=version, outcome=outcome, **{**fields, **more})


def run(
    number: int,
    *different: CellResult,
    columns: Sequence[Column] = COLUMNS,
    scenarios: Sequence[Scenario] = SCENARIOS,
    **more: Any,
) -> Run:
    """A run, ``number`` days after the first one; everything passes but what is given."""
    given = {(each.version, each.cell): each for each in different}
    cells = [cell for scenario in scenarios for cell in scenario.cells]
    return Run.model_validate(
        {
            "id": f"run-{number}",
            "started": START + number * DAY,
            "finished": START + number * DAY + datetime.timedelta(minutes=7),
            "compatmatrix": "0.1.0",
            "machine": MACHINE,
            "columns": tuple(columns),
            "scenarios": tuple(scenarios),
            "results": tuple(
                given.get((shown.version, cell)) or row(cell, shown.version) for shown in columns for cell in cells
            ),
            **more,
        }
    )
