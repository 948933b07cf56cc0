"""The commands. The pipeline is named here, reads top to bottom, and this is the only place that catches.

The way of the data:

    load -> plan -> columns (resolve, build, probe, classify, store) -> assemble -> news -> report
"""

from __future__ import annotations

import datetime
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from compatmatrix import __version__
from compatmatrix.errors import CompatmatrixError, Exit, StorageError

F = TypeVar("F", bound=Callable[..., Any])

_SELECT = [
    click.option(
        "--matrix",
        "matrix_file",
        type=click.Path(path_type=Path),
        default=Path("matrix.yaml"),
        show_default=True,
        help="The file that says what is tested.",
    ),
    click.option(
        "--scenarios",
        "scenario_roots",
        type=click.Path(path_type=Path),
        multiple=True,
        default=(Path("scenarios"),),
        show_default=True,
        help="Directory of scenario packages; may be given again.",
    ),
    click.option("--versions", default="", metavar="ID[,ID...]", help="Only these versions of the matrix."),
    click.option("--cells", multiple=True, metavar="GLOB", help="Only these cells; may be given again."),
    click.argument("globs", nargs=-1),
]
_STATE = [
    click.option(
        "--state",
        type=click.Path(path_type=Path),
        default=Path(".compatmatrix"),
        show_default=True,
        help="Where environments and the results store are kept.",
    ),
    click.option("--fresh", is_flag=True, help="Measure again what the store knows."),
    click.option(
        "--isolation",
        type=click.Choice(["fork", "spawn"]),
        default="fork" if hasattr(os, "fork") else "spawn",
        show_default=True,
        help="A forked child per cell, or a fresh process per cell.",
    ),
]
_OUTPUT = [
    click.option(
        "--output",
        type=click.Path(path_type=Path),
        default=None,
        help="Directory of the report. Default: reports/ for the whole matrix, and a directory of its own in the "
        "state directory for a selection, which never replaces the published report.",
    ),
    click.option(
        "--baseline",
        type=click.Path(path_type=Path),
        default=None,
        help="The latest.json to compare with. Default: the one in reports/, if there is one.",
    ),
    click.option(
        "--ledger",
        "ledger_file",
        type=click.Path(path_type=Path),
        default=None,
        help="The file of known issues. Default: known_issues.yaml beside the scenarios.",
    ),
]


def _options(*groups: list[Callable[[F], F]]) -> Callable[[F], F]:
    def add(function: F) -> F:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return add


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="compatmatrix")
def cli() -> None:
    """Find out which transformers version loads your models, and whether what it loads is right.

    \b
    compatmatrix run                         every version, every cell, then the report
    compatmatrix run --versions 4.46.3 'llama/*'
    compatmatrix list                        the scenarios and their cells
    compatmatrix check                       read matrix.yaml and the scenarios, run nothing

    `nox -s matrix` does the same as `run`, with the columns in parallel.
    """


@cli.command()
@_options(_SELECT, _STATE, _OUTPUT)
def run(**options: Any) -> Exit:
    """Run every column, one after the other, then render the report.

    GLOBS select cells: an id such as 'llama/auto-model[disk]', a scenario, a family, with * and ?.
    Results that are known and unchanged are taken from the store; an interrupted run is taken up where
    it stopped.
    """
    from compatmatrix import pipeline

    job = pipeline.load(**options)
    for version in job.plan.versions:
        pipeline.run_column(job, version.id, click.echo)
    return pipeline.report(job, now=_now(), echo=click.echo)


@cli.command()
@click.argument("version")
@_options(_SELECT, _STATE, _OUTPUT)
def column(version: str, **options: Any) -> Exit:
    """Run one column: resolve VERSION, build its environment, run its cells, store the results."""
    from compatmatrix import pipeline

    job = pipeline.load(**options)
    return pipeline.run_column(job, version, click.echo)


@cli.command()
@_options(_SELECT, _STATE, _OUTPUT)
def report(**options: Any) -> Exit:
    """Render the report from what is stored, without running anything; the exit status tells the news."""
    from compatmatrix import pipeline

    return pipeline.report(pipeline.load(**options), now=_now(), echo=click.echo)


@cli.command()
@click.argument("version")
@click.option("--with", "extra", multiple=True, metavar="PACKAGE", help="Install this beside it; may be given again.")
@_options(_SELECT, _STATE, _OUTPUT)
def environment(version: str, extra: tuple[str, ...], **options: Any) -> Exit:
    """Build VERSION's environment, if it is not there, and print its Python: to reproduce something by hand."""
    from compatmatrix import pipeline

    job = pipeline.load(**options)
    click.echo(pipeline.environment(job, version, extra, lambda line: click.echo(line, err=True)))
    return Exit.OK


@cli.command(name="list")
@_options(_SELECT)
def list_(**options: Any) -> Exit:
    """List the versions, the scenarios and the cells that would be run."""
    from compatmatrix import pipeline

    plan = pipeline.load(**options).plan
    click.echo("versions: " + ", ".join(version.id for version in plan.versions))
    for scenario in plan.scenarios:
        click.echo(f"\n{scenario.id}  {scenario.title}")
        for cell in plan.cells:
            if cell.scenario.id == scenario.id:
                needs = f"   needs {', '.join(cell.variant.needs)}" if cell.variant.needs else ""
                click.echo(f"  {cell.id}{needs}")
    click.echo(f"\n{len(plan.cells)} cells in each of {len(plan.versions)} versions")
    return Exit.OK


@cli.command()
@_options(_SELECT, _STATE, _OUTPUT)
def check(**options: Any) -> Exit:
    """Read matrix.yaml, the ledger, the claims and the scenario files, and say what is wrong with them."""
    from compatmatrix import pipeline

    job = pipeline.load(**options)
    claims = pipeline.published_claims(job)
    click.echo(
        f"{len(job.plan.versions)} versions, {len(job.plan.scenarios)} scenarios, {len(job.plan.cells)} cells, "
        f"{len(job.ledger.issues)} known issues, {claims} claims: no mistakes"
    )
    return Exit.OK


@cli.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("README.md"))
@click.option("--run", "run_file", type=click.Path(path_type=Path), default=Path("reports/latest.json"))
def readme(file: Path, run_file: Path) -> Exit:
    """Write the table of the published run into FILE (README.md), between its markers."""
    from compatmatrix import pipeline

    pipeline.readme(file, run_file)
    return Exit.OK


@cli.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("docs/claims.md"))
@click.option("--run", "run_file", type=click.Path(path_type=Path), default=Path("reports/latest.json"))
@click.option("--claims", "claims_file", type=click.Path(path_type=Path), default=Path("scenarios/claims.yaml"))
@click.option("--check", is_flag=True, help="Write nothing; fail where FILE is not what it would be.")
def claims(file: Path, run_file: Path, claims_file: Path, check: bool) -> Exit:
    """Judge the published claims by a run, and write the page about them to FILE (docs/claims.md)."""
    from compatmatrix import pipeline

    page = pipeline.claims(claims_file, run_file)
    if not check:
        file.write_text(page, encoding="utf-8")
    elif not file.exists() or file.read_text(encoding="utf-8") != page:
        raise StorageError(f"{file}: not what {run_file} says of the claims", hint="write it by `compatmatrix claims`")
    return Exit.OK


@cli.command()
@click.argument("name", type=click.Choice(["matrix", "ledger", "run"]))
def schema(name: str) -> Exit:
    """Print the JSON Schema of matrix.yaml, of the ledger, or of latest.json."""
    from compatmatrix import schemas

    click.echo(schemas.text(name), nl=False)
    return Exit.OK


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def main() -> None:
    """The entry point: one clear message for whatever went wrong, and an exit status of its own."""
    # Like Ctrl-C: tools that were started (uv, git, probes) are ended before this process goes.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        status = cli.main(prog_name="compatmatrix", standalone_mode=False)
    except CompatmatrixError as error:
        click.echo(f"compatmatrix: {error}", err=True)
        status = error.exit
    except click.exceptions.Abort:
        status = _interrupted()
    except KeyboardInterrupt:
        status = _interrupted()
    except click.ClickException as error:
        error.show()
        status = Exit.INPUT
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = Exit.OK
    except OSError as error:
        click.echo(f"compatmatrix: {error}\n  next: make the path usable, or name another state directory", err=True)
        status = Exit.STORAGE
    except Exception:
        traceback.print_exc()
        click.echo("compatmatrix: this is a defect of compatmatrix; please report it with the lines above", err=True)
        status = Exit.DEFECT
    sys.exit(int(status or 0))


def _interrupted() -> Exit:
    click.echo(
        "compatmatrix: interrupted; what was measured is kept, and the same command goes on from there", err=True
    )
    return Exit.INTERRUPTED
