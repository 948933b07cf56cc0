"""The commands that load, run and render the matrix."""

from __future__ import annotations

from typing import Any

import click

from compatmatrix.cli import completing
from compatmatrix.cli.executing import EXECUTOR, cluster, on_cluster
from compatmatrix.cli.options import JOBS, OUTPUT, SELECT, STATE, now, options, say
from compatmatrix.errors import Exit


@click.command()
@options(SELECT, STATE, JOBS, OUTPUT, EXECUTOR)
def run(executor_name: str, scheduler: str, worker_resources: str, **given: Any) -> Exit:
    """Run every column, one after the other or on a cluster, then render the report.

    GLOBS select cells: an id such as 'llama/auto-model[tied,disk]', a scenario, a family, with * and ?.
    Results that are known and unchanged are taken from the store; an interrupted run is taken up where
    it stopped.

    \b
    compatmatrix run
    compatmatrix run --versions 4.46.3,main 'llama/*'
    compatmatrix run --scenarios my_model.py my-model
    """
    from compatmatrix import pipeline, reporting

    elsewhere = on_cluster(executor_name, scheduler, worker_resources)
    job = pipeline.load(**given)
    if elsewhere:
        from compatmatrix.sweep import Sweep

        cells = [*given["cells"], *given["globs"]]
        with cluster(job, scheduler, worker_resources) as executor:
            say(f"{len(job.plan.versions)} columns, {len(job.plan.cells)} cells each; {executor}")
            columns = {version.id: cells for version in job.plan.versions}
            Sweep(job.plan, job.settings, executor, say).run(columns)
    else:
        for version in job.plan.versions:
            pipeline.run_column(job, version.id, say)
    return reporting.report(job, now=now(), echo=say)


@click.command()
@click.argument("version", shell_complete=completing.version)
@options(SELECT, STATE, JOBS, OUTPUT)
def column(version: str, **given: Any) -> Exit:
    """Run one column: resolve VERSION, build its environment, run its cells, store the results.

    \b
    compatmatrix column 4.46.3
    compatmatrix column main 'llama/plain' --fresh
    """
    from compatmatrix import pipeline

    job = pipeline.load(**given, judged=False)
    return pipeline.run_column(job, version, say)


@click.command()
@options(SELECT, STATE, JOBS, OUTPUT)
def report(**given: Any) -> Exit:
    """Render the report from what is stored, without running anything; the exit status tells the news.

    \b
    compatmatrix report
    compatmatrix report 'llama/*' --output llama-report
    """
    from compatmatrix import pipeline, reporting

    return reporting.report(pipeline.load(**given), now=now(), echo=say)


@click.command()
@click.argument("version", shell_complete=completing.version)
@click.option("--with", "extra", multiple=True, metavar="PACKAGE", help="Install this beside it; may be given again.")
@options(SELECT, STATE, OUTPUT)
def environment(version: str, extra: tuple[str, ...], **given: Any) -> Exit:
    """Build VERSION's environment, if it is not there, and print its Python: to reproduce something by hand.

    \b
    compatmatrix environment 4.46.3
    compatmatrix environment 4.46.3 --with pytest
    """
    from compatmatrix import pipeline

    job = pipeline.load(**given)
    click.echo(pipeline.environment(job, version, extra, lambda line: say(line, err=True)))
    return Exit.OK


@click.command(name="list")
@options(SELECT)
def list_(**given: Any) -> Exit:
    """List the versions, the scenarios and the cells that would be run.

    \b
    compatmatrix list
    compatmatrix list 'llama/*'
    compatmatrix list --scenarios my_model.py my-model
    """
    from compatmatrix import pipeline

    plan = pipeline.load(**given).plan
    click.echo("versions: " + ", ".join(version.id for version in plan.versions))
    for scenario in plan.scenarios:
        say(f"\n{scenario.id}  {scenario.title}")
        for cell in plan.cells:
            if cell.scenario.id == scenario.id:
                needs = f"   needs {', '.join(cell.variant.needs)}" if cell.variant.needs else ""
                say(f"  {cell.id}{needs}")
    click.echo(f"\n{len(plan.cells)} cells in each of {len(plan.versions)} versions")
    return Exit.OK


@click.command()
@options(SELECT, STATE, JOBS, OUTPUT)
def check(**given: Any) -> Exit:
    """Read matrix.yaml, the ledger, the claims and the scenario files, and say what is wrong with them.

    \b
    compatmatrix check
    compatmatrix check --scenarios my_model.py
    """
    from compatmatrix import pipeline

    job = pipeline.load(**given)
    claims = pipeline.published_claims(job)
    click.echo(
        f"{len(job.plan.versions)} versions, {len(job.plan.scenarios)} scenarios, {len(job.plan.cells)} cells, "
        f"{len(job.ledger.issues)} known issues, {claims} claims: no mistakes"
    )
    return Exit.OK
