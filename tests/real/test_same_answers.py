"""No answer depends on the order or the selection of cells, nor on whether a process was forked or started afresh.

Compared is all that a cell said: outcome, signature, exception, fingerprint, warnings, and every measured number
to its last bit.
"""

import os
import random
from pathlib import Path

import pytest

from compatmatrix.execute import Limits, Probe
from compatmatrix.listings import PROBE
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


BEGINS = '''\
"""What a cell finds when it begins, however it was started."""

from compatprobe import Cell, scenario


@scenario(title="looks")
def look(cell: Cell) -> None:
    """Random numbers, threads, and memory that nobody has written to."""
    import random

    import numpy
    import torch

    cell.fact("python", random.random())
    cell.fact("numpy", float(numpy.random.random()))
    cell.fact("torch", torch.rand(2).tolist())
    if torch.cuda.is_available():
        cell.fact("cards", [torch.rand(2, device=f"cuda:{index}").tolist() for index in range(2)])
    cell.fact("threads", torch.get_num_threads())
    cell.fact("deterministic", torch.are_deterministic_algorithms_enabled())
    cell.fact("not a number", bool(torch.empty(3).isnan().all()))


@scenario(title="disturbs")
def disturb(cell: Cell) -> None:
    """What another cell does is of no concern to the next one."""
    import random

    import torch

    random.seed(1)
    torch.manual_seed(1)
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(False)
'''


@pytest.mark.parametrize("devices", [0, 2])
def test_every_cell_begins_in_the_same_state(column: Column, tmp_path: Path, devices: int) -> None:
    family = tmp_path / "own" / "begins"
    family.mkdir(parents=True)
    family.joinpath("state.py").write_text(BEGINS)
    found = []
    for isolation in ("fork", "spawn"):
        with Probe(
            column.python, PROBE, [family.parent], tmp_path / isolation, isolation=isolation, virtual_cuda=devices
        ) as probe:
            for cell in ("begins/look", "begins/disturb", "begins/look"):
                record = probe.run(cell, Limits()).record
                assert record is not None
                assert record["status"] == "done", record["message"]
                found += [record["fingerprint"]] if cell == "begins/look" else []
    assert found == [found[0]] * 4
    # What Python's and torch's generators give first after the seed 0, by their documented algorithms.
    assert found[0]["python"] == random.Random(0).random()
    assert found[0]["torch"] == pytest.approx([0.4962565899, 0.7682217956])
    assert (found[0]["threads"], found[0]["deterministic"], found[0]["not a number"]) == (1, True, True)
    assert ("cards" in found[0]) is bool(devices)
