"""Before anything is handed over: whether the scheduler and the workers are this program, and offer what is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compatmatrix.cluster import task
from compatmatrix.cluster.order import INSTALL, Facts, mismatch, program
from compatmatrix.errors import InfrastructureError
from compatmatrix.sweep import Echo
from compatmatrix.text import one_line


def check(client: Any, resources: Mapping[str, float], echo: Echo) -> None:
    """Ask all of them. Raises :class:`InfrastructureError`, and says so where no worker is there yet.

    Workers that join later are told what they must be with each column.
    """
    here = program()
    try:
        there = client.run_on_scheduler(program)
    except Exception as error:  # Dask wraps what an import there raised
        raise InfrastructureError(unlike(error, "the scheduler"), hint=INSTALL) from error
    if there != here:
        raise InfrastructureError(mismatch("the scheduler", there, here), hint=INSTALL)
    workers = client.run(task.facts, on_error="return")
    found = {address: facts for address, facts in workers.items() if not isinstance(facts, OSError)}
    problems = list(filter(None, (_problem(address, facts, here) for address, facts in found.items())))
    if problems:
        raise InfrastructureError("\n".join(problems[:20]), hint=INSTALL)
    _offered(list(found.values()), resources, echo)


def unlike(error: Exception, who: str = "a worker") -> str:
    """What it means where a part of this program cannot be imported there."""
    return f"{who} has no compatmatrix, or another one: {one_line(str(error))}"


def _problem(address: str, facts: Facts | Exception, here: str) -> str:
    if isinstance(facts, Exception):
        return unlike(facts, f"the worker {address}")
    return mismatch(f"the worker {address}", facts.program, here) if facts.program != here else ""


def _offered(workers: list[Facts], resources: Mapping[str, float], echo: Echo) -> None:
    if not workers:
        echo("no worker has joined the scheduler yet: columns wait until one does")
        return
    fit = [w for w in workers if all(w.resources.get(name, 0) >= amount for name, amount in resources.items())]
    if not fit:
        told = ",".join(f"{name}={amount:g}" for name, amount in resources.items())
        raise InfrastructureError(
            f"none of the {len(workers)} workers offers {told} (--worker-resources): the columns would wait for ever",
            hint=f"start a worker that does: dask worker ... --resources {told}",
        )
    if resources and len(fit) < len(workers):
        echo(f"{len(fit)} of {len(workers)} workers offer what is asked for")
