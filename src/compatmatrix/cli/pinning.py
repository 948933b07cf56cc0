"""The command that says which version to pin."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from pathlib import Path

import click

from compatmatrix import roots
from compatmatrix.cli import completing
from compatmatrix.cli.options import now, say
from compatmatrix.errors import Exit, StorageError


@click.command()
@click.option(
    "--need",
    "needs",
    multiple=True,
    required=True,
    metavar="GLOB",
    shell_complete=completing.cells,
    help="What has to work: a cell, a scenario, a family, with * and ?; may be given again. "
    "A version serves a need when every cell of it that could be tested passes.",
)
@click.option(
    "--prefer",
    type=click.Choice(["newest", "oldest"]),
    default="newest",
    show_default=True,
    help="Which of several versions that serve alike.",
)
@click.option(
    "--allow-known",
    "allowed",
    multiple=True,
    metavar="ID|GLOB",
    help="Accept this known issue, or the known issues of these cells, as a risk; may be given again.",
)
@click.option("--strict", is_flag=True, help="Let a skipped cell, which could not be tested, rule a version out too.")
@click.option("--max-age", type=click.IntRange(0, 36500), metavar="DAYS", help="Take older results for no evidence.")
@click.option(
    "--run",
    "run_file",
    type=click.Path(path_type=Path),
    default=Path("reports/latest.json"),
    show_default=True,
    help="The run that is the evidence.",
)
@click.option(
    "--matrix",
    "matrix_file",
    type=click.Path(path_type=Path),
    default=None,
    help="A column that it defines otherwise by now is stale, and no evidence. Default: matrix.yaml, if it is there.",
)
@click.option(
    "--ledger",
    "ledger_file",
    type=click.Path(path_type=Path),
    default=lambda: roots.base() / "known_issues.yaml",
    show_default="known_issues.yaml beside the scenarios",
    help="The titles of known issues, if it is there.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write constraints.txt with hashes, lines for pyproject.toml and a rule for Renovate there.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For people, or for programs.",
)
def pin(
    needs: tuple[str, ...],
    prefer: str,
    allowed: tuple[str, ...],
    strict: bool,
    max_age: int | None,
    run_file: Path,
    matrix_file: Path | None,
    ledger_file: Path,
    output: Path | None,
    style: str,
) -> Exit:
    """Say which version to pin for what you need, with the evidence.

    \b
    compatmatrix pin --need llama/generate --need gemma3/text
    compatmatrix pin --need 'llama/*' --allow-known 'llama/*' --output pins/
    """
    from compatmatrix import archive, pins
    from compatmatrix.loading import load_ledger
    from compatmatrix.pins import data, files, telling

    run = archive.read_run(run_file, hint="name a run's latest.json by --run")
    if run is None:
        raise StorageError(f"{run_file}: there is no such file", hint="name a run's latest.json by --run")
    titles = {issue.id: issue.title for issue in load_ledger(ledger_file).issues}
    advice = pins.advise(
        run,
        pins.needs(run, needs),
        prefer=pins.Prefer(prefer),
        accept=pins.accepted(run, allowed, titles),
        current=_definitions(matrix_file),
        oldest=None if max_age is None else now() - datetime.timedelta(days=max_age),
        strict=strict,
    )
    if style == "json":
        click.echo(json.dumps(data.data(advice), indent=1, ensure_ascii=False))
    else:
        say(telling.text(advice, titles), nl=False)
    if output is not None:
        _write(files.of(advice), output, err=style == "json")
    return advice.exit


def _definitions(matrix_file: Path | None) -> dict[str, str] | None:
    """What matrix.yaml says of each version; None where there is none."""
    from compatmatrix import plan
    from compatmatrix.loading import load_matrix

    path = matrix_file or Path("matrix.yaml")
    if matrix_file is None and not path.exists():
        return None
    matrix = load_matrix(path)
    return {version.id: plan.definition(matrix, version) for version in matrix.versions}


def _write(texts: Mapping[str, str], output: Path, *, err: bool) -> None:
    for name, text in texts.items():
        path = output / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StorageError(f"{path}: {error}", hint="name another directory by --output") from error
        click.echo(f"wrote {path}", err=err)
    if not texts:
        click.echo("wrote nothing: there is nothing to pin", err=err)
