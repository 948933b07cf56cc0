"""One real column: transformers itself, every shipped scenario."""

import pytest

from compatmatrix.results import Outcome
from tests.real.column import VERSION, Column

pytestmark = pytest.mark.slow


def test_every_planned_cell_answers(column: Column) -> None:
    rows = column.run.results
    assert [row.cell for row in rows] == column.ids
    assert {row.outcome for row in rows} <= {outcome for outcome in Outcome if outcome.answered} | {Outcome.SKIPPED}
    assert column.run.columns[0].transformers == VERSION
    assert "--hash=sha256:" in column.run.columns[0].lock
    # A table in which nothing passes, or nothing fails, has measured nothing.
    counts = {outcome: sum(row.outcome is outcome for row in rows) for outcome in Outcome}
    assert counts[Outcome.PASS] > 100
    assert counts[Outcome.FAIL] > 0
    assert counts[Outcome.UNSUPPORTED] > 0


def test_green_cells_have_measured_tensors_or_outputs(column: Column) -> None:
    for row in column.run.results:
        if row.outcome is Outcome.PASS:
            assert row.checks, row.cell
            assert all(check.holds for check in row.checks), row.cell
