"""The commands that one begins with: a project, a scenario of one's own, the shell's completion, all options."""

from __future__ import annotations

from pathlib import Path

import click

from compatmatrix.errors import Exit

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False), default=Path())
def init(directory: Path) -> Exit:
    """Write a matrix.yaml, its schema and a noxfile to begin with, into DIRECTORY (here).

    Nothing that is there is replaced.

    \b
    compatmatrix init
    compatmatrix init my-matrix
    """
    from compatmatrix import starting

    for path in starting.project(directory):
        click.echo(f"wrote {path}")
    if directory.resolve() != Path.cwd():
        click.echo(f"next: cd {directory}")
    click.echo("next: compatmatrix check                                     reads everything, runs nothing")
    click.echo("      compatmatrix run --versions 4.46.3 llama/plain         one version, some cells")
    click.echo("      compatmatrix new my-model                              a scenario of your own")
    click.echo("      nox -s matrix                                          everything, in parallel")
    return Exit.OK


@click.command()
@click.argument("name")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    show_default="here",
    help="Where the file is written.",
)
def new(name: str, directory: Path) -> Exit:
    """Write a scenario file to begin with: a working example that loads, compares tensors and compares outputs.

    NAME is that of the model, such as my-model; the file is my_model.py. A file that is there is not replaced.

    \b
    compatmatrix new my-model
    compatmatrix new loading --dir scenarios/my_family
    """
    from compatmatrix import starting

    file, command = starting.scenario(name, directory)
    click.echo(f"wrote {file}\nnext: {command}")
    return Exit.OK


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> Exit:
    """Print a script that lets SHELL complete commands, options, versions and cells.

    Cells are those that the last command found: `compatmatrix check` makes them known.

    \b
    bash, in ~/.bashrc:    eval "$(compatmatrix completion bash)"
    zsh, in ~/.zshrc:      eval "$(compatmatrix completion zsh)"
    fish:                  compatmatrix completion fish > ~/.config/fish/completions/compatmatrix.fish

    \b
    compatmatrix completion bash
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"this version of click knows no completion for {shell}")
    root = click.get_current_context().find_root()
    click.echo(kind(root.command, {}, "compatmatrix", "_COMPATMATRIX_COMPLETE").source())
    return Exit.OK


@click.command()
def options() -> Exit:
    """Print every command with its arguments and options, as docs/options.md has them.

    \b
    compatmatrix options > docs/options.md
    """
    from compatmatrix.cli import reference

    root = click.get_current_context().find_root()
    if isinstance(root.command, click.Group):
        click.echo(reference.page(root.command), nl=False)
    return Exit.OK
