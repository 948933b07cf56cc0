"""The commands that bring together what was run elsewhere, and tell others what is news."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from compatmatrix import roots
from compatmatrix.cli.options import now, say
from compatmatrix.errors import Exit

FILE = click.Path(path_type=Path)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=FILE, metavar="PATH...")
@click.option(
    "--matrix",
    "matrix_file",
    type=FILE,
    default=Path("matrix.yaml"),
    show_default=True,
    help="The file that says what is tested: a column that it defines otherwise is not merged.",
)
@click.option(
    "--state",
    type=FILE,
    default=Path(".compatmatrix"),
    show_default=True,
    help="Where the local results store is kept.",
)
@click.option(
    "--by-directory", is_flag=True, help="Take a store in column-VERSION/ at its word only about that version."
)
@click.option(
    "--leave-out-damaged",
    is_flag=True,
    help="Name a store that cannot be used, and merge the others; its column then counts as not run.",
)
def merge(paths: tuple[Path, ...], matrix_file: Path, state: Path, **how: bool) -> Exit:
    """Take columns that were run elsewhere into the local store; `compatmatrix report` then shows them.

    PATH is a results store, a state directory, or a directory that holds some. All of them are merged, or none.

    \b
    compatmatrix merge elsewhere/.compatmatrix
    compatmatrix merge downloads/ --by-directory --leave-out-damaged
    """
    from compatmatrix import loading, plan
    from compatmatrix.merge import merge as merge_stores
    from compatmatrix.store import STORE, Store

    matrix = loading.load_matrix(matrix_file)
    meant = {version.id: plan.definition(matrix, version) for version in matrix.versions}
    with Store(state / STORE) as store:
        merge_stores(paths, store, meant, say, now=now(), **how)
    return Exit.OK


@click.command()
@click.option("--issues", "issues_file", required=True, type=FILE, help="What `gh issue list` says, as JSON.")
@click.option("--output", required=True, type=FILE, help="Directory for the action and its texts.")
@click.option(
    "--run",
    "run_file",
    type=FILE,
    default=Path("reports/latest.json"),
    show_default=True,
    help="The run that is told about.",
)
@click.option(
    "--ledger",
    "ledger_file",
    type=FILE,
    default=lambda: roots.base() / "known_issues.yaml",
    show_default="known_issues.yaml beside the scenarios",
    help="The file of known issues.",
)
@click.option(
    "--matrix",
    "matrix_file",
    type=FILE,
    default=Path("matrix.yaml"),
    show_default=True,
    help="The file whose policy says when a run is overdue.",
)
@click.option("--heartbeat", is_flag=True, help="Only ask whether the run is older than policy.overdue_after_days.")
@click.option("--page", default="", metavar="URL", help="Where the report is published.")
@click.option("--job", default="", metavar="URL", help="The job that made the run.")
def tracking(output: Path, run_file: Path, page: str, job: str, **given: Any) -> Exit:
    """Decide what a run means for the tracking issue: action.json, body.md and comment.md, for gh to carry out.

    The issue is opened and updated by news, and closed by a complete run without any.

    \b
    compatmatrix tracking --issues issues.json --output tracking
    """
    from compatmatrix import archive, loading
    from compatmatrix.errors import StorageError
    from compatmatrix.tracking import Links, decide, find, overdue

    run = archive.read_run(run_file, hint="name a run's latest.json by --run")
    if run is None:
        raise StorageError(f"{run_file}: there is no such file", hint="render the report first")
    issue = find(_listing(given["issues_file"]))
    beside = run_file.with_name("summary.md")
    told = beside.read_text(encoding="utf-8", errors="replace") if beside.exists() else ""
    links = Links(page=page, job=job)
    if given["heartbeat"]:
        days = loading.load_matrix(given["matrix_file"]).policy.overdue_after_days
        decision = overdue(run, now=now(), days=days, summary=told, issue=issue, links=links)
    else:
        unmatched = loading.load_ledger(given["ledger_file"]).unmatched(run.results, run.columns)
        decision = decide(run, unmatched=unmatched, summary=told, issue=issue, links=links)
    texts = {"action.json": decision.to_json(), "body.md": decision.body, "comment.md": decision.comment}
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (output / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"{output}: {error}", hint="name a directory by --output") from error
    click.echo(f"tracking issue: {decision.act.value}")
    return Exit.OK


def _listing(file: Path) -> str:
    from compatmatrix.errors import InputError

    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{file}: {error}", hint="name a file that holds what `gh issue list --json number,body,author` prints"
        ) from error
