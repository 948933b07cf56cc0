"""The commands about many releases: sweep them, show the atlas, list and confirm where they flip."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import click

from compatmatrix.cli import completing
from compatmatrix.cli.executing import EXECUTOR, cluster, on_cluster
from compatmatrix.cli.options import CELLS, FILES, JOBS, STATE, now, options, say
from compatmatrix.errors import Exit

SERIES = [
    click.argument("specifier", metavar="RANGE"),
    *FILES,
    CELLS,
    click.option("--pre", "prereleases", is_flag=True, help="Pre-releases too."),
    click.option("--latest-of-minor", is_flag=True, help="Only the last release of each minor version."),
]
WORK = [
    click.option("--keep-environments", is_flag=True, help="Remove none, even where the disk becomes short."),
    click.option(
        "--room",
        type=click.FloatRange(0),
        default=5.0,
        show_default=True,
        metavar="GIB",
        help="Free space below which environments of finished columns are removed.",
    ),
]
OUTPUT = [
    click.option(
        "--output",
        type=click.Path(path_type=Path),
        default=None,
        help="Directory of the atlas. Default: atlas/ in the state directory; reports/atlas is the published one.",
    ),
]


@click.command()
@options(SERIES, STATE, JOBS, WORK, OUTPUT, EXECUTOR)
def sweep(
    specifier: str,
    keep_environments: bool,
    room: float,
    output: Path | None,
    executor_name: str,
    scheduler: str,
    worker_resources: str,
    **given: Any,
) -> Exit:
    """Run a column for every release in RANGE, such as '>=4.36', then render the atlas.

    The releases are those of the configured index. Companions, selection and limits are matrix.yaml's. What is
    known is not run again, an interrupted sweep is taken up where it stopped, and infrastructure that fails is
    tried again.

    \b
    compatmatrix sweep '>=4.36'
    compatmatrix sweep '>=4.46,<4.48' --cells 'llama/plain'
    compatmatrix sweep '>=4.36' --latest-of-minor --scenarios my_model.py --cells my-model
    """
    from compatmatrix import sweep_stages
    from compatmatrix.local import Local, Work

    elsewhere = on_cluster(executor_name, scheduler, worker_resources)
    series = sweep_stages.load(specifier, environ=os.environ, **given)
    with contextlib.ExitStack() as stack:
        if elsewhere:
            executor = stack.enter_context(cluster(series.job, scheduler, worker_resources))
        else:
            work = Work(
                arguments=series.arguments + (("--fresh",) if given["fresh"] else ()),
                jobs=given["jobs"],
                keep_environments=keep_environments,
                room=int(room * (1 << 30)),
            )
            executor = Local(series.job.settings, work, say)
        sheet, status = sweep_stages.sweep(series, executor, say)
    click.echo(f"Atlas: {sweep_stages.atlas(series, sheet, output, now=now())}")
    return status


@click.command()
@options(SERIES, STATE, OUTPUT)
def atlas(specifier: str, output: Path | None, **given: Any) -> Exit:
    """Render the atlas of the releases in RANGE from what is stored, without running anything.

    \b
    compatmatrix atlas '>=4.36' --output reports/atlas
    """
    from compatmatrix import sweep_stages

    series = sweep_stages.load(specifier, environ=os.environ, **given)
    sheet = sweep_stages.known(series)
    click.echo(f"Atlas: {sweep_stages.atlas(series, sheet, output, now=now())}")
    return Exit.OK


@click.command()
@click.option("--confirm", is_flag=True, help="First run both sides of each flip three times more, afresh.")
@click.option(
    "--change",
    "changes",
    type=click.Choice(["worse", "better", "behaviour"]),
    multiple=True,
    help="Only cells that changed so: to a worse outcome, a better one, or in behaviour alone; may be given again.",
)
@options(SERIES, STATE, JOBS, WORK)
def flips(
    specifier: str,
    changes: tuple[str, ...],
    keep_environments: bool,
    room: float,
    confirm: bool,
    **given: Any,
) -> Exit:
    """List every boundary within RANGE where a cell changes its outcome, or behaves differently.

    What is listed was swept before. A flip that was seen once may be chance: --confirm repeats both of its sides
    and says which flips were the same each time, and which cells are flaky.

    \b
    compatmatrix flips '>=4.36' --confirm
    compatmatrix flips '>=4.50,<4.52' --confirm --change worse
    """
    from compatmatrix import sweep_stages
    from compatmatrix.flips import Change
    from compatmatrix.local import Work

    series = sweep_stages.load(specifier, environ=os.environ, **given)
    sheet = sweep_stages.known(series)
    chosen = [Change[name.upper()] for name in changes] or list(Change)
    if confirm:
        work = Work(
            arguments=series.arguments,
            jobs=given["jobs"],
            keep_environments=keep_environments,
            room=int(room * (1 << 30)),
        )
        found = sweep_stages.confirm(series, sheet, work, say, chosen)
    else:
        found = sweep_stages.all_flips(series, sheet)
    found = tuple(flip for flip in found if flip.change in chosen)
    for line in sweep_stages.flip_lines(sheet, found):
        say(line)
    beliefs = [flip.belief.value for flip in found]
    counts = ", ".join(f"{beliefs.count(belief)} {belief}" for belief in dict.fromkeys(sorted(beliefs)))
    flip = "flip" if len(found) == 1 else "flips"
    click.echo(f"{len(found)} {flip} in {len(sheet.places)} releases{': ' + counts if found else ''}")
    return Exit.OK


@click.command()
@click.argument("cell", shell_complete=completing.cells)
@click.option(
    "--good", default="", metavar="RELEASE", help="Where it is well. Default: found by going back from --bad."
)
@click.option("--bad", required=True, metavar="RELEASE", help="Where it is not.")
@click.option("--over", default="transformers", metavar="PACKAGE", help="Whose releases are tried, such as accelerate.")
@click.option("--at", default="", metavar="RELEASE", help="The transformers beside the releases of another package.")
@click.option("--git", default=None, metavar="URL", help="Where to go on between commits. Default: matrix.yaml's.")
@click.option("--no-commits", is_flag=True, help="Stop at the release.")
@options(FILES, STATE)
def bisect(cell: str, good: str, bad: str, over: str, at: str, git: str | None, no_commits: bool, **given: Any) -> Exit:
    """Find the first release, and the first commit, in which CELL is no longer what it was.

    Both ends are verified first. What cannot be built or has no answer is skipped, which is neither good nor bad: the
    result may be a range. Exchange the ends to find where a cell became well.

    \b
    compatmatrix bisect 'mini-gemini/forward[2b,kwargs]' --good 4.46.3 --bad 4.50.0
    compatmatrix bisect 'llama/plain[tied,float32,safetensors]' --over accelerate --at 4.46.3 --bad 1.15.0
    """
    from compatmatrix import bisect_stages

    job = bisect_stages.load(cell, **given)
    repository = "" if no_commits else git if git is not None else bisect_stages.default_git(job)
    question = bisect_stages.Question(good=good, bad=bad, over=over, at=at, git=repository)
    bisect_stages.run(job, question, os.environ, say)
    return Exit.OK


@click.command()
@click.argument("cell", shell_complete=completing.cells)
@click.option("--version", "number", required=True, metavar="RELEASE", help="A release in which CELL is red.")
@click.option("--package", "packages", multiple=True, metavar="NAME", help="Change this one; may be given again.")
@options(FILES, STATE)
def blame(cell: str, number: str, packages: tuple[str, ...], **given: Any) -> Exit:
    """Run a red CELL again with one package beside transformers changed at a time, and as the release was shipped.

    Each package is taken in the oldest and the newest release that fits all the others, which stay as they are.
    As shipped means: every package as the index had it on the day after the release.

    \b
    compatmatrix blame 'mini-gemini/forward[2b,kwargs]' --version 4.50.0
    compatmatrix blame 'mini-gemini/forward[2b,kwargs]' --version 4.50.0 --package accelerate
    """
    from compatmatrix import bisect_stages
    from compatmatrix import blame as stages

    stages.run(bisect_stages.load(cell, **given), number, packages, os.environ, say)
    return Exit.OK
