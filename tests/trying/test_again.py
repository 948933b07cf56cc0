"""The command that runs a cell again says all that was said."""

import itertools
import shlex
from typing import Any

import click
import pytest

from compatmatrix.cli import trying
from compatmatrix.trying import stages


def again(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> list[str]:
    made: list[stages.Request] = []

    def tried(request: stages.Request, **_: Any) -> Any:
        made.append(request)
        raise click.Abort

    monkeypatch.setattr(stages, "tried", tried)
    with pytest.raises(click.Abort):
        trying.try_.main(["./model", *arguments], standalone_mode=False)
    return shlex.split(stages.again(made[0], "4.46.3", "given/config"))


def test_where_and_how_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["--matrix", "m.yaml", "--scenarios", "a b", "--scenarios", "c", "--state", "s", "--memory", "2.5"]
    given += ["--isolation", "spawn"]
    told = again(monkeypatch, *given)
    for name, value in zip(given[::2], given[1::2], strict=True):
        assert (name, value) in list(itertools.pairwise(told)), told


def test_what_was_not_given_is_not_said(monkeypatch: pytest.MonkeyPatch) -> None:
    told = again(monkeypatch)
    assert told == ["compatmatrix", "try", "./model", "--versions", "4.46.3", "--cells", "given/config", "--fresh"]
