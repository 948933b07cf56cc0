"""Property tests of the command line: whatever is typed, a documented exit status and one clear message."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from random import Random

import click
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compatmatrix import loading
from compatmatrix.cli import cli
from compatmatrix.errors import CompatmatrixError, Exit
from compatmatrix.tools import Completed, Subprocesses
from tests.fuzz import arguments, targets

EXAMPLES = int(os.environ.get("COMPATMATRIX_FUZZ", "0")) or 60
OFFLINE = Completed(code=2, stdout="", stderr="error: network was disabled\n")


def prepare(directory: Path, patch: pytest.MonkeyPatch | None = None) -> None:
    """Go to a checkout with what the commands look for, where no program answers and no index is.

    The scenarios are listed once.
    """
    patch = patch or pytest.MonkeyPatch()
    checkout = directory / "b" / "checkout"  # deep: `..` is somewhere too
    (checkout / "reports").mkdir(parents=True)
    for name in ("matrix.yaml", "README.md"):
        shutil.copy(targets.ROOT / name, checkout)
    shutil.copytree(targets.ROOT / "scenarios", checkout / "scenarios", ignore=shutil.ignore_patterns("__pycache__"))
    (checkout / "reports" / "latest.json").write_bytes(targets.SEEDS["run"])
    (checkout / "issues.json").write_text("[]", encoding="utf-8")
    listed, discover = loading.discover([checkout / "scenarios"]), loading.discover
    for name in ("PIP_FIND_LINKS", "UV_FIND_LINKS", "PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        patch.delenv(name, raising=False)
    for name, value in (("PIP_CONFIG_FILE", os.devnull), ("PIP_NO_INDEX", "1"), ("UV_NO_INDEX", "1")):
        patch.setenv(name, value)
    patch.setattr(Subprocesses, "run", lambda *_, **__: OFFLINE)
    patch.setattr(
        loading, "discover", lambda roots, **_: listed if [*roots] == [Path("scenarios")] else discover(roots)
    )
    patch.chdir(checkout)


def test_any_command_line_ends_with_a_clear_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path, monkeypatch)

    @settings(
        max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
    )
    @given(st.randoms(use_true_random=False))
    def holds(dice: Random) -> None:
        ended_well(arguments.line(dice))

    holds()


def ended_well(words: list[str]) -> None:
    """As ``main`` has it: what is not one of these would be a defect."""
    try:
        status = cli.main(words, prog_name="compatmatrix", standalone_mode=False)
    except CompatmatrixError as error:
        assert str(error).strip()
        assert error.exit in set(Exit) - {Exit.DEFECT}
    except click.ClickException as error:
        assert error.format_message().strip()
    except OSError as error:
        assert str(error).strip()
    else:
        assert status is None or status in set(Exit) - {Exit.DEFECT}


def test_the_help_of_every_command_can_be_had() -> None:
    for name in cli.commands:
        done = CliRunner().invoke(cli, [name, "--help"])
        assert done.exit_code == 0, done.output
