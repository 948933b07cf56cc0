"""Command lines by chance: every command with options that it has, and values that may or may not make sense."""

from __future__ import annotations

from random import Random

import click

from compatmatrix.cli import cli

#: What stands for a file, a directory, an id, a glob or a number: some are right, most are not.
VALUES = (
    *("matrix.yaml", "scenarios", "reports", "reports/latest.json", ".compatmatrix", "README.md", "issues.json"),
    *("4.46.3", "4.46.3,5.0", "nope", "llama/*", "llama/auto-model[tied,disk]", "*", "[", "**", "?"),
    *(">=4.36", "==", ">=9,<1", "", " ", ".", "..", "-", "--", "-1", "0", "1e9", "NaN", "nan", "inf", "9" * 30),
    *("a\nb", "\udcff", "💥", "a" * 5000, "README.md/inside", "no/such/place", "https://127.0.0.1:9/x.git"),
    *("text", "json", "fork", "spawn"),
)


def line(dice: Random) -> list[str]:
    """One command line, without the program's name."""
    name = dice.choice((*sorted(cli.commands), *sorted(cli.commands), "nope", "", "--version"))
    command = cli.commands.get(name)
    words = [name]
    for parameter in command.params if command else ():
        wanted = parameter.required or isinstance(parameter, click.Argument)
        if dice.random() < (0.85 if wanted else 0.15):
            words += _given(parameter, dice)
    if dice.random() < 0.1:
        words.insert(dice.randint(0, len(words)), dice.choice(("--nope", "-h", "--help", "--", *VALUES)))
    return words


def _given(parameter: click.Parameter, dice: Random) -> list[str]:
    values = [dice.choice(VALUES) for _ in range(max(1, parameter.nargs))]
    if isinstance(parameter.type, click.Choice) and dice.random() < 0.7:
        values = [str(dice.choice(list(parameter.type.choices)))]
    if isinstance(parameter, click.Option):
        flag = dice.choice(parameter.opts)
        return [flag] if parameter.is_flag else [flag, *values]
    return values
