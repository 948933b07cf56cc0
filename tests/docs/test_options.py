"""Each command explains itself: help, an example that can be parsed, a word on every option, a page of all of them."""

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from compatmatrix.cli import cli, reference

ROOT = Path(__file__).parents[2]
NAMES = sorted(cli.commands)


def examples(command: click.Command) -> list[list[str]]:
    """The command lines in a command's help, without redirections and remarks."""
    lines = [line.strip() for line in (command.help or "").replace("\b", "").splitlines()]
    found = [line for line in lines if line.startswith("compatmatrix ")]
    return [shlex.split(re.split(r"\s{3,}| > ", line)[0])[1:] for line in found]


@pytest.mark.parametrize("name", NAMES)
def test_help_has_an_example_and_a_word_on_every_option(name: str) -> None:
    command = cli.commands[name]
    shown = CliRunner().invoke(cli, [name, "--help"])
    assert shown.exit_code == 0
    assert shown.output.startswith(f"Usage: cli {name} ")
    assert any(example[0] == name for example in examples(command)), "no example of it in its help"
    silent = [each.opts[0] for each in command.params if isinstance(each, click.Option) and not each.help]
    assert silent == []


@pytest.mark.parametrize("name", NAMES)
def test_the_examples_can_be_parsed(name: str) -> None:
    for example in (*examples(cli.commands[name]), *examples(cli)):
        command = cli.commands[example[0]]
        command.make_context(example[0], example[1:])  # a usage error raises


def test_an_example_that_cannot_be_parsed_would_be_found() -> None:
    with pytest.raises(click.NoSuchOption):
        cli.commands["run"].make_context("run", ["--version", "4.46.3"])


def test_the_page_of_options_is_what_the_commands_say() -> None:
    page = (ROOT / "docs" / "options.md").read_text(encoding="utf-8")
    assert page == reference.page(cli), "accept the new one: compatmatrix options > docs/options.md"
    assert [f"## {name}" for name in NAMES] == re.findall(r"^## .*", page, re.MULTILINE)


def test_commands_md_lists_every_command() -> None:
    table = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8").split("## Exit statuses")[0]
    assert [name for name in NAMES if f"| `compatmatrix {name}" not in table] == []
