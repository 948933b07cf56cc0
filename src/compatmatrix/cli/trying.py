"""The command that tries a checkpoint that somebody has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from compatmatrix.cli.options import FILES, STATE, now, options
from compatmatrix.errors import Exit, InputError


@click.command(name="try")
@click.argument("checkpoint", metavar="PATH-OR-ID")
@click.option("--versions", default="", metavar="ID[,ID...]", help="Versions of the matrix, or numbers of releases.")
@click.option("--class", "model_class", default="", metavar="NAME", help="Load it by this class alone.")
@click.option(
    "--device-plan",
    "plans",
    default="",
    metavar="PLAN[,PLAN...]",
    help="The plans that matter: cpu, auto, sequential, balanced, cpu+disk, 2-cards (virtual-cuda:2), 2-cards+cpu, "
    "2-cards+disk, cuda.",
)
@click.option(
    "--trust-remote-code", "trust", is_flag=True, help="Run the code that the checkpoint brings, as your own user."
)
@click.option("--revision", default=None, help="Of an id on the hub: a branch, a tag or a commit.")
@click.option("--with", "packages", multiple=True, metavar="PACKAGE", help="Install this too; may be given again.")
@click.option("--cells", multiple=True, metavar="GLOB", help="Only these cells, such as 'load*'; may be given again.")
@click.option(
    "--memory", type=click.FloatRange(0.1), metavar="GIB", help="What a cell may use. Default: most of what is free."
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="For a reader, or everything that was found, as JSON.",
)
@options(FILES, STATE)
def try_(**given: Any) -> Exit:
    """Load a checkpoint that you have in every version, and say in one sentence which version to use.

    PATH-OR-ID is a directory with a config.json, or an id on the Hugging Face hub. Nothing in it is unpickled here,
    and its own code runs only with --trust-remote-code.

    \b
    compatmatrix try ./my-model
    compatmatrix try ./my-model --versions 4.46.3,main --device-plan cpu+disk

    Exit status: 0 some version works, and the best is named; 3 none does; 2 the checkpoint is damaged, refused or not
    there; 5 nothing could be loaded here (memory, environments, the hub).
    """
    from compatmatrix.trying import stages, telling

    told = stages.tried(_request(given), now=now, echo=lambda line: click.echo(line, err=True))
    if given["style"] == "json":
        click.echo(json.dumps(telling.data(told), indent=1, ensure_ascii=False))
    else:
        telling.show(told)
    return told.answer.exit


def _request(given: dict[str, Any]) -> Any:
    from compatmatrix.trying.choose import Asked
    from compatmatrix.trying.stages import Request

    if not given["checkpoint"].strip():
        raise InputError("there is no checkpoint named", hint="name a directory, or an id on the hub")
    roots: tuple[Path, ...] = given["scenario_roots"]
    return Request(
        checkpoint=given["checkpoint"],
        asked=Asked(model_class=given["model_class"], plans=_split(given["plans"]), trust=given["trust"]),
        revision=given["revision"],
        versions=_split(given["versions"]),
        packages=given["packages"],
        cells=given["cells"],
        memory=int((given["memory"] or 0) * (1 << 30)),
        matrix_file=given["matrix_file"],
        scenario_roots=roots,
        state=given["state"],
        fresh=given["fresh"],
        isolation=given["isolation"],
        given=_named(given),
    )


#: Option -> its parameter: what says where and how to run, and belongs to the command that runs a cell again.
_WHERE = {
    "matrix": "matrix_file",
    "scenarios": "scenario_roots",
    "state": "state",
    "memory": "memory",
    "isolation": "isolation",
}


def _named(given: dict[str, Any]) -> dict[str, Any]:
    context = click.get_current_context()
    default = click.core.ParameterSource.DEFAULT
    chosen = {option: given[name] for option, name in _WHERE.items() if context.get_parameter_source(name) != default}
    return {
        option: [str(each) for each in value] if isinstance(value, tuple) else str(value)
        for option, value in chosen.items()
    }


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
