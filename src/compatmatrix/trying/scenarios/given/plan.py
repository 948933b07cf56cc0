"""The checkpoint at device plans."""

from typing import Sequence

from compatprobe import Cell, scenario

from . import _asked


def _needs(plan: str, **_: str) -> Sequence[str]:
    return ("virtual-cuda:2",) if plan.startswith("2-cards") else ("cuda",) if plan == "cuda" else ()


@scenario(
    title="from_pretrained(path, device_map=...), by plan",
    params=_asked.params("plan"),
    exclude=_asked.left_out("plan"),
    needs=_needs,
    timeout=_asked.TIMEOUT,
)
def plan(cell: Cell, api: str, plan: str) -> None:
    """Every tensor where the plan puts it and as the file has it, and the answer of a plain load.

    Cards are virtual (docs/virtual-cuda.md), but for `cuda`. Budgets are derived from the file's tensors.
    """
    import gc

    from compatprobe import processes
    from scenarios.common import placed

    from . import _buffers, _inputs, _load, _observed, _outputs, _plans, _tensors
    from ._files import Files

    if "disk" in plan:
        # Every tensor that is read from disk maps its whole file, which the limit of this process takes for memory in
        # use; what is really in memory, the host watches.
        processes.lift_memory_limit()
    files = Files(_asked.PATH, _asked.WEIGHTS)
    arguments = _plans.arguments(plan, files, cell.directory)
    model = _load.load(cell, api, _asked.STORED, **arguments)
    _plans.came_out(cell, model, plan)
    placed.check(cell, model, arguments["device_map"])
    _tensors.check(cell, model, files, _asked.STORED, api)
    _buffers.check(cell, model, files)
    cell.fact("model", _observed.facts(model))
    answer = _outputs.check(cell, model, files, judge=False)
    if answer is not None and _tensors.MADE_UP not in cell.fingerprint:  # each load makes up another
        del model
        gc.collect()
        plain = _load.load(cell, api, _asked.STORED)
        given, aside = _inputs.of(plain), Cell(cell.id, cell.directory)
        _tensors.check(aside, plain, files, _asked.STORED, api)
        if given is None or any(check["measured"] > check["limit"] for check in aside.checks):
            cell.fact("not compared", "a plain load has not the file's tensors")
        else:
            cell.close("as a plain load", answer.output, _outputs.run(plain, given), answer.tolerance)
