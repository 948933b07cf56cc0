"""The commands. The pipeline is named here, reads top to bottom, and this is the only place that catches.

The way of the data:

    load -> plan -> columns (resolve, build, probe, classify, store) -> assemble -> news -> report
"""

from __future__ import annotations

import gc
import os
import sys
import traceback

import click

from compatmatrix import __version__
from compatmatrix.cli import comparing, ending, merging, pinning, publishing, running, starting, sweeping, trying
from compatmatrix.errors import CompatmatrixError, Exit
from compatmatrix.listings import name_run


@click.group(cls=ending.Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="compatmatrix")
def cli() -> None:
    """Find out which transformers version loads your models, and whether what it loads is right.

    \b
    compatmatrix run                         every version, every cell, then the report
    compatmatrix run --versions 4.46.3 'llama/*'
    compatmatrix pin --need 'llama/*'        which version to pin for what you need
    compatmatrix try ./my-model              your own checkpoint in every version
    compatmatrix list                        the scenarios and their cells
    compatmatrix check                       read matrix.yaml and the scenarios, run nothing
    compatmatrix init                        begin in an empty directory
    compatmatrix new my-model                begin a scenario of your own

    `nox -s matrix` does the same as `run`, with the columns in parallel.
    """


for command in (
    starting.init,
    starting.new,
    running.run,
    running.column,
    running.report,
    running.environment,
    running.list_,
    running.check,
    comparing.diff,
    pinning.pin,
    merging.merge,
    merging.tracking,
    publishing.readme,
    publishing.claims,
    publishing.schema,
    sweeping.sweep,
    sweeping.atlas,
    sweeping.flips,
    sweeping.bisect,
    sweeping.blame,
    starting.completion,
    starting.options,
    trying.try_,
):
    cli.add_command(command)


def main() -> None:
    """The entry point: one clear message for whatever went wrong, and an exit status of its own."""
    # Runs and reports are large trees without cycles: looking for cycles after every 700 objects found none, and took
    # a quarter of a report's time.
    gc.set_threshold(2_000_000, 20, 100)
    ending.listen()
    name_run()
    ending.leave(Exit(_run() or Exit.OK))


def _run() -> int | None:
    try:
        status: int | None = cli.main(prog_name="compatmatrix", standalone_mode=False)
        return status
    except CompatmatrixError as error:
        ending.tell(f"compatmatrix: {error}")
        return error.exit
    except (click.exceptions.Abort, KeyboardInterrupt):
        ending.no_more_signals()
        ending.tell("compatmatrix: interrupted; what was measured is kept, and the same command goes on from there")
        return Exit.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return Exit.INPUT
    except ending.UnreadError:
        # Nobody reads on: there is nobody to tell, and it is not complete either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.INTERRUPTED
    except OSError as error:
        ending.tell(f"compatmatrix: {error}\n  next: make the path usable, or name another state directory")
        return Exit.STORAGE
    except Exception:
        ending.tell(traceback.format_exc().rstrip())
        ending.tell("compatmatrix: this is a defect of compatmatrix; please report it with the lines above")
        return Exit.DEFECT
