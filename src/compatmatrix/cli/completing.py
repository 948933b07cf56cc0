"""What the shell offers after TAB: versions from matrix.yaml, cells as the last command found them. Never slow."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from compatmatrix import remembered
from compatmatrix.session import version_ids


def cells(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Scenarios first; the cells of one as soon as it is written out. A thousand at once would help nobody."""
    state = context.params.get("state") or Path(".compatmatrix")
    known = remembered.cells(state)
    scenarios = dict.fromkeys(cell.partition("[")[0] for cell in known)
    families = dict.fromkeys(scenario.partition("/")[0] for scenario in scenarios)
    offered = [*families, *scenarios]
    if incomplete.partition("[")[0] in scenarios:
        offered += known
    return [CompletionItem(name) for name in dict.fromkeys(offered) if name.startswith(incomplete)]


def version(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """One version of the matrix."""
    return [CompletionItem(id) for id in _versions(context) if id.startswith(incomplete)]


def versions(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Versions with commas between them: the last one is completed, and none is offered twice."""
    before, comma, last = incomplete.rpartition(",")
    written = before.split(",")
    offered = [id for id in _versions(context) if id.startswith(last) and id not in written]
    return [CompletionItem(f"{before}{comma}{id}") for id in offered]


def _versions(context: click.Context) -> list[str]:
    return version_ids(context.params.get("matrix_file") or Path("matrix.yaml"))
