"""No answer depends on the order or the selection of cells, nor on whether a process was forked or started afresh.

Compared is all that a cell said: outcome, signature, exception, fingerprint, warnings, and every measured number
to its last bit.
"""

import os
from pathlib import Path

import pytest

from tests.real import column as real
from tests.real.column import Column

pytestmark = pytest.mark.slow

#: ``all`` runs every cell in a fresh process: about five seconds of a core each.
SPAWNED = os.environ.get("COMPATMATRIX_SPAWNED", "")


def test_another_order_and_selection_give_the_same_answers(column: Column, tmp_path: Path) -> None:
    """A part of the table, from its end to its beginning."""
    cells = sorted(real.chosen(column.ids, 16), key=column.ids.index, reverse=True)
    assert len(cells) > 20
    answers = real.measure(column, tmp_path, cells)
    assert len(answers) == len(cells)
    assert real.differing(column, answers) == []


def test_a_shuffled_subset_gives_the_same_answers(column: Column, tmp_path: Path) -> None:
    """A few of them in no order; each one twice, so that it also follows itself."""
    cells = real.chosen(column.ids, 48)
    answers = real.measure(column, tmp_path, [*cells, *cells])
    assert len(answers) == 2 * len(cells)
    assert real.differing(column, answers) == []


def test_a_cell_alone_gives_the_same_answer(column: Column, tmp_path: Path) -> None:
    virtual = [cell.id for cell in column.planned.cells if "virtual-cuda:2" in cell.variant.needs]
    for cell in (real.chosen(column.ids, 50)[0], real.chosen(virtual, 10)[-1]):
        assert real.differing(column, real.measure(column, tmp_path / "alone", [cell])) == []


def test_a_fresh_process_gives_the_same_answers_as_a_forked_child(column: Column, tmp_path: Path) -> None:
    """The last variant of every scenario, and one in 120 of all; with ``COMPATMATRIX_SPAWNED=all``, every cell."""
    last = [scenario.cells[-1] for scenario in column.run.scenarios]
    some = [*last, *(cell for cell in real.chosen(column.ids, 120) if cell not in last)]
    cells = column.ids if SPAWNED == "all" else some
    answers = real.measure_spawned(column, tmp_path, cells)
    assert len(answers) == len(cells)
    assert real.differing(column, answers) == []
