"""The commands that write what is published from a run: tables, pages, schemas."""

from __future__ import annotations

from pathlib import Path

import click

from compatmatrix import roots
from compatmatrix.errors import Exit, StorageError

RUN = click.option(
    "--run",
    "run_file",
    type=click.Path(path_type=Path),
    default=Path("reports/latest.json"),
    show_default=True,
    help="The run that is written about.",
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("README.md"))
@RUN
def readme(file: Path, run_file: Path) -> Exit:
    """Write the table of the published run into FILE (README.md), between its markers.

    \b
    compatmatrix readme
    compatmatrix readme README.zh-CN.md
    """
    from compatmatrix import reporting

    reporting.readme(file, run_file)
    return Exit.OK


@click.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("docs/claims.md"))
@RUN
@click.option(
    "--claims",
    "claims_file",
    type=click.Path(path_type=Path),
    default=lambda: roots.base() / "claims.yaml",
    show_default="claims.yaml beside the scenarios",
    help="The published claims.",
)
@click.option("--check", is_flag=True, help="Write nothing; fail where FILE is not what it would be.")
def claims(file: Path, run_file: Path, claims_file: Path, check: bool) -> Exit:
    """Judge the published claims by a run, and write the page about them to FILE (docs/claims.md).

    \b
    compatmatrix claims
    compatmatrix claims --check
    """
    from compatmatrix import reporting

    page = reporting.claims(claims_file, run_file)
    if not check:
        file.write_text(page, encoding="utf-8")
    elif not file.exists() or file.read_text(encoding="utf-8") != page:
        raise StorageError(f"{file}: not what {run_file} says of the claims", hint="write it by `compatmatrix claims`")
    return Exit.OK


@click.command()
@click.argument("name", type=click.Choice(["matrix", "ledger", "run", "history", "atlas"]))
def schema(name: str) -> Exit:
    """Print the JSON Schema of matrix.yaml, of the ledger, of latest.json, of a run in the history, or of the atlas.

    \b
    compatmatrix schema matrix > matrix.schema.json
    """
    from compatmatrix import schemas

    click.echo(schemas.text(name), nl=False)
    return Exit.OK
