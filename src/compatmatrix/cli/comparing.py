"""The command that compares two runs, or two versions of a run."""

from __future__ import annotations

import json
from pathlib import Path

import click

from compatmatrix.cli import completing
from compatmatrix.cli.options import say
from compatmatrix.errors import Exit, InputError


@click.command()
@click.argument("before", required=False)
@click.argument("after", required=False)
@click.option(
    "--versions",
    nargs=2,
    default=None,
    metavar="FROM TO",
    help="Compare two versions of one run instead: what an upgrade from the one to the other would bring.",
)
@click.option(
    "--cells",
    "globs",
    multiple=True,
    metavar="GLOB",
    shell_complete=completing.cells,
    help="Only these cells; may be given again.",
)
@click.option("--run", help="The run of --versions: a file or an id. Default: latest.json of the report.")
@click.option(
    "--report",
    type=click.Path(path_type=Path),
    default=Path("reports"),
    show_default=True,
    help="The directory that has latest.json and the history, runs/.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    show_default=True,
    help="For a terminal, a comment or a program.",
)
def diff(
    before: str | None,
    after: str | None,
    versions: tuple[str, str] | None,
    globs: tuple[str, ...],
    run: str | None,
    report: Path,
    style: str,
) -> Exit:
    """Compare two runs, or two versions of one run: what breaks, what is fixed, what behaves differently.

    BEFORE and AFTER are files (a latest.json, or one of runs/), or ids of runs in the history. AFTER is the
    published run where it is not given. Exit status: 0 nothing differs, 3 something breaks, 5 something was not
    measured, 4 anything else differs.

    \b
    compatmatrix diff --versions 4.46.3 main --cells 'llama/*'
    compatmatrix diff 20261114T031702Z-0c9e51aa
    compatmatrix diff old/latest.json reports/latest.json --format markdown
    """
    from compatmatrix import comparison
    from compatmatrix.report import diff_text

    if versions and (before or after):
        raise InputError(
            "--versions compares versions of one run", hint="name the run by --run, or leave out --versions"
        )
    if versions:
        found = comparison.versions(run, *versions, globs, report)
    elif before:
        found = comparison.runs(before, after, globs, report)
    else:
        raise InputError("there is nothing to compare", hint="name a run, or two, or --versions FROM TO")
    if style == "json":
        click.echo(json.dumps(diff_text.data(found), indent=1, ensure_ascii=False))
    else:
        say(diff_text.text(found) if style == "text" else diff_text.markdown(found), nl=False)
    return found.exit
