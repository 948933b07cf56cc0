"""The matrix against the floor: one import for each column and kind of device, and the scenarios' own work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil

from benchmarks.bench import SCENARIOS, Bench, tell
from benchmarks.figures import Group, floor
from benchmarks.page import goal, seconds, table, times
from benchmarks.usage import Usage
from compatmatrix.execute import Limits, Probe
from compatmatrix.listings import PROBE

TIMES = 1.25


def section(bench: Bench) -> str:
    """The section, as Markdown; the environments are there already and are told apart."""
    used, start, cold = bench.cells, bench.start, bench.cold
    groups = list(measured(bench))
    work = sum(group.work for group in groups)
    least = Usage(wall=floor(groups, bench.processors), processor=work)
    return text(bench, groups, least, used, (start, cold))


def measured(bench: Bench) -> Iterator[Group]:
    """Each column's zygotes, one after the other: processor seconds of their imports, and of each cell's own work.

    A cell's own work is what its record says, from the call of the scenario to its end; where the processor has spent
    less in the whole child, that: a scenario that was made to wait by other processes has not worked longer.
    """
    policy = bench.job.plan.matrix.policy
    limits = Limits(timeout=policy.timeout_seconds, memory=int(policy.memory), log=int(policy.log))
    for version, column in bench.columns.items():
        for devices, cells in bench.groups:
            tell(f"the floor: {version}, {'virtual cards' if devices else 'no cards'}")
            slot = bench.directory / f"slot-{devices}"
            with Probe(bench.python(column), PROBE, [SCENARIOS], slot, virtual_cuda=devices) as probe:
                imports, took = spent(slot)[0], []
                for cell in cells:
                    before = spent(slot)[1]
                    record = probe.run(cell, limits).record
                    child = spent(slot)[1] - before
                    took.append(min(float(record["seconds"]), child) if record else child)
            yield Group(imports=imports, cells=tuple(took))


def spent(slot: Path) -> tuple[float, float]:
    """Processor seconds of a slot's zygote, and of its children that have ended."""
    for process in psutil.Process().children():
        if str(slot) in process.cmdline():
            used = process.cpu_times()
            return used.user + used.system, used.children_user + used.children_system
    raise SystemExit(f"no zygote works in {slot}")


def text(bench: Bench, groups: list[Group], least: Usage, used: Usage, apart: tuple[Usage, Usage]) -> str:
    """The table and the goal; ``apart`` is what the columns' start alone costs, and the cold run."""
    start, cold = apart
    number = len(bench.sample) * len(bench.versions)
    imports, own = sum(group.imports for group in groups), sum(sum(group.cells) for group in groups)
    rest = used.processor - start.processor - least.processor
    rows = [
        [f"imports, {len(groups)} of them", "", seconds(imports)],
        [f"own work of {number} scenarios", "", seconds(own)],
        [f"**the floor**, packed over {bench.processors} processors", seconds(least.wall), seconds(least.processor)],
        [f"**measured**: the columns, {number} cells anew", seconds(used.wall), seconds(used.processor)],
        ["measured / floor", times(used.wall / least.wall), times(used.processor / least.processor)],
        ["of it, start: nox, scenarios, resolution", seconds(start.wall), seconds(start.processor)],
        [f"of it, about each cell: {1000 * rest / number:.0f} ms", "", seconds(rest)],
        [
            "apart: environments, byte code, report",
            seconds(cold.wall - used.wall),
            seconds(cold.processor - used.processor),
        ],
    ]
    above = max(used.wall / least.wall, used.processor / least.processor)
    parts = [("starting nox and resolving the columns", start.processor), ("what surrounds a cell", rest)]
    parts.sort(key=lambda part: -part[1])
    shares = ", ".join(f"{name} {100 * part / least.processor:.0f} %" for name, part in parts)
    whole = len(bench.sample) == len(bench.every)
    cells = f"all {len(bench.every)} cells" if whole else "the same sample as above"
    apart_from_it = (
        ""
        if whole
        else f" For all {len(bench.every)} cells no figure is given: their own work differs too much for a sample to "
        "tell it."
    )
    reached = goal(
        f"within {TIMES}× of the floor",
        met=above <= TIMES,
        found=f"{times(used.wall / least.wall)} in wall-clock time, {times(used.processor / least.processor)} in "
        "processor time",
        why=f"Beyond the floor, as parts of it: {shares}. Starting and resolving is paid once for each column."
        f"{apart_from_it}",
    )
    return f"""\
The columns over {cells}, measured anew in environments that are there, against the least that they could cost:
importing torch, transformers, accelerate and what most cells need of them once for each column (and once more for
virtual cards, which must be there before torch is), and the own work of each scenario, from its call to its end. The
packing is a bound: all work over all processors, as if nobody had to import anything twice for it. Processor time of
the floor is measured with nothing else of this project running, after the columns: the ratio scatters by some per cent
with the machine's speed between the two.

{table(["what", "wall", "processor"], rows)}

{reached}"""
