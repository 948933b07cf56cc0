"""Options that several commands share."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from compatmatrix.cli import completing
from compatmatrix.machine import processors
from compatmatrix.redaction import redact
from compatmatrix.text import strip_controls

F = TypeVar("F", bound=Callable[..., Any])

FILES = [
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
        metavar="FILE|DIRECTORY",
        help="Scenarios of your own, beside the shipped ones: a file, or a directory of families; may be given again.",
    ),
]
CELLS = click.option(
    "--cells",
    multiple=True,
    metavar="GLOB",
    help="Only these cells; may be given again.",
    shell_complete=completing.cells,
)
SELECT = [
    *FILES,
    click.option(
        "--versions",
        default="",
        metavar="ID[,ID...]",
        help="Only these versions of the matrix.",
        shell_complete=completing.versions,
    ),
    CELLS,
    click.argument("globs", nargs=-1, shell_complete=completing.cells),
]
STATE = [
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
JOBS = [
    click.option(
        "--jobs",
        type=click.IntRange(1),
        default=processors,
        help="Processors to run cells on, for all columns together: a column waits until one is free. Default: all.",
    ),
]
OUTPUT = [
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


def options(*groups: list[Callable[[F], F]]) -> Callable[[F], F]:
    """A decorator that adds every option of the groups, in their order."""

    def add(function: F) -> F:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return add


def now() -> datetime.datetime:
    """The moment, in UTC, to the second: the one clock that a report is given."""
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def say(line: str, *, err: bool = False, nl: bool = True) -> None:
    """Print for people. What others wrote may be in it: neither a control sequence nor a secret gets through."""
    click.echo(redact(strip_controls(line)), err=err, nl=nl)
