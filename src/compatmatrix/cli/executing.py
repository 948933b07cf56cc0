"""Where columns are run: the options that choose an executor, and the executor that they choose."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from compatmatrix.errors import InfrastructureError, InputError

if TYPE_CHECKING:
    from compatmatrix.pipeline import Job
    from compatmatrix.sweep import Executor

LOCAL, DASK = "local", "dask"
EXECUTOR = [
    click.option(
        "--executor",
        "executor_name",
        type=click.Choice([LOCAL, DASK]),
        default=LOCAL,
        show_default=True,
        help="Run columns on this machine, or on a Dask cluster (docs/scaling.md).",
    ),
    click.option("--scheduler", default="", metavar="URL", help="Of the Dask cluster, such as tcp://host:8786."),
    click.option(
        "--worker-resources",
        default="",
        metavar="NAME=AMOUNT[,...]",
        help="What a worker must offer for each column, such as GPU=1,memory=8e9.",
    ),
]


def on_cluster(executor_name: str, scheduler: str, worker_resources: str) -> bool:
    """Whether the options ask for a cluster. Raises :class:`InputError` where they contradict one another."""
    if executor_name == DASK and not scheduler:
        raise InputError("--executor dask needs a scheduler", hint="name it: --scheduler tcp://HOST:8786")
    if executor_name != DASK and (scheduler or worker_resources):
        option = "--scheduler" if scheduler else "--worker-resources"
        raise InputError(f"{option} is for a cluster", hint="add --executor dask, or leave it out")
    return executor_name == DASK


@contextlib.contextmanager
def cluster(job: Job, scheduler: str, worker_resources: str) -> Iterator[Executor]:
    """The cluster for a job. Raises :class:`InfrastructureError` where Dask is not installed, or cannot be reached."""
    resources = parse(worker_resources)
    try:
        from compatmatrix.cluster.client import connect
    except ModuleNotFoundError as error:
        if error.name not in ("dask", "distributed"):
            raise
        raise InfrastructureError(
            f"--executor dask needs the package {error.name}, which is not installed",
            hint="pip install 'compatmatrix[dask]', here and on every worker",
        ) from None
    with connect(job.plan, job.settings, scheduler, resources, click.echo) as found:
        yield found


def parse(text: str) -> dict[str, float]:
    """``GPU=1,memory=8e9`` as Dask's own ``dask worker --resources`` reads it; raises :class:`InputError`."""
    found: dict[str, float] = {}
    for part in text.replace(",", " ").split():
        name, _, amount = part.partition("=")
        try:
            found[name] = float(amount)
        except ValueError:
            found[name] = math.nan
        if not name or not 0 < found[name] < math.inf:
            raise InputError(
                f"--worker-resources: {part!r} is no resource", hint="write NAME=AMOUNT, such as GPU=1,memory=8e9"
            )
    return found
