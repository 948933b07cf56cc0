"""The commands that load, run and render the matrix."""

from __future__ import annotations

from typing import Any

import click

from compatmatrix.cli.executing import EXECUTOR, cluster, on_cluster
from compatmatrix.cli.options import OUTPUT, SELECT, STATE, now, options
from compatmatrix.errors import Exit


@click.command()
@options(SELECT, STATE, OUTPUT, EXECUTOR)
def run(executor_name: str, scheduler: str, worker_resources: str, **given: Any) -> Exit:
    """Run every column, one after the other or on a cluster, then render the report.

    GLOBS select cells: an id such as 'llama/auto-model[tied,disk]', a scenario, a family, with * and ?.
    Results that are known and unchanged are taken from the store; an interrupted run is taken up where
    it stopped.
    """
    from compatmatrix import pipeline

    elsewhere = on_cluster(executor_name, scheduler, worker_resources)
    job = pipeline.load(**given)
    if elsewhere:
        from compatmatrix.sweep import Sweep

        cells = [*given["cells"], *given["globs"]]
        with cluster(job, scheduler, worker_resources) as executor:
            click.echo(f"{len(job.plan.versions)} columns, {len(job.plan.cells)} cells each; {executor}")
            columns = {version.id: cells for version in job.plan.versions}
            Sweep(job.plan, job.settings, executor, click.echo).run(columns)
    else:
        for version in job.plan.versions:
            pipeline.run_column(job, version.id, click.echo)
    return pipeline.report(job, now=now(), echo=click.echo)


@click.command()
@click.argument("version")
@options(SELECT, STATE, OUTPUT)
def column(version: str, **given: Any) -> Exit:
    """Run one column: resolve VERSION, build its environment, run its cells, store the results."""
    from compatmatrix import pipeline

    job = pipeline.load(**given)
    return pipeline.run_column(job, version, click.echo)


@click.command()
@options(SELECT, STATE, OUTPUT)
def report(**given: Any) -> Exit:
    """Render the report from what is stored, without running anything; the exit status tells the news."""
    from compatmatrix import pipeline

    return pipeline.report(pipeline.load(**given), now=now(), echo=click.echo)


@click.command()
@click.argument("version")
@click.option("--with", "extra", multiple=True, metavar="PACKAGE", help="Install this beside it; may be given again.")
@options(SELECT, STATE, OUTPUT)
def environment(version: str, extra: tuple[str, ...], **given: Any) -> Exit:
    """Build VERSION's environment, if it is not there, and print its Python: to reproduce something by hand."""
    from compatmatrix import pipeline

    job = pipeline.load(**given)
    click.echo(pipeline.environment(job, version, extra, lambda line: click.echo(line, err=True)))
    return Exit.OK


@click.command(name="list")
@options(SELECT)
def list_(**given: Any) -> Exit:
    """List the versions, the scenarios and the cells that would be run."""
    from compatmatrix import pipeline

    plan = pipeline.load(**given).plan
    click.echo("versions: " + ", ".join(version.id for version in plan.versions))
    for scenario in plan.scenarios:
        click.echo(f"\n{scenario.id}  {scenario.title}")
        for cell in plan.cells:
            if cell.scenario.id == scenario.id:
                needs = f"   needs {', '.join(cell.variant.needs)}" if cell.variant.needs else ""
                click.echo(f"  {cell.id}{needs}")
    click.echo(f"\n{len(plan.cells)} cells in each of {len(plan.versions)} versions")
    return Exit.OK


@click.command()
@options(SELECT, STATE, OUTPUT)
def check(**given: Any) -> Exit:
    """Read matrix.yaml, the ledger, the claims and the scenario files, and say what is wrong with them."""
    from compatmatrix import pipeline

    job = pipeline.load(**given)
    claims = pipeline.published_claims(job)
    click.echo(
        f"{len(job.plan.versions)} versions, {len(job.plan.scenarios)} scenarios, {len(job.plan.cells)} cells, "
        f"{len(job.ledger.issues)} known issues, {claims} claims: no mistakes"
    )
    return Exit.OK
