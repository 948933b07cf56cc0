"""One environment and one zygote for each kind of isolation, for all tests of a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from compatmatrix.execute import Probe
from tests.fixtures.environments import FAILING, PROBE, make_environment

MakeProbe = Callable[..., Probe]


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with fake libraries."""
    return make_environment(tmp_path_factory.mktemp("environment") / "venv")


@pytest.fixture(scope="session")
def forking(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """A probe that forks each cell."""
    with Probe(python, PROBE, [FAILING], tmp_path_factory.mktemp("fork")) as probe:
        yield probe


@pytest.fixture(scope="session")
def spawning(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Probe]:
    """A probe that starts a process for each cell."""
    with Probe(python, PROBE, [FAILING], tmp_path_factory.mktemp("spawn"), isolation="spawn") as probe:
        yield probe
