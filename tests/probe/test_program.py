"""The probe as a program, by hand and with an old Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from compatmatrix.execute import Limits, Probe
from tests.fixtures.environments import FAILING, PROBE, make_environment


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment's interpreter."""
    return make_environment(tmp_path_factory.mktemp("environment") / "venv")


def by_hand(python: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [str(python), "-I", str(PROBE), "run", str(FAILING), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environ})


def test_a_cell_by_hand(python: Path) -> None:
    done = by_hand(python, "good/passes[one,a]")
    assert done.returncode == 0
    assert done.stdout.startswith("good/passes[one,a]: done\n")
    assert "  holds   difference: 0.5 <= 1.0\n" in done.stdout


def test_a_failing_cell_by_hand(python: Path) -> None:
    done = by_hand(python, "good/lies")
    assert done.returncode == 0
    assert "RuntimeError: and then it raised\n  in step: compare\n" in done.stdout
    assert "  DIFFERS difference: nan <= 1.0  not a number\n" in done.stdout


def test_the_hosts_environment_is_left_outside(python: Path, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise RuntimeError('the wrong torch')\n", encoding="utf-8")
    leaks = {"PYTHONPATH": str(tmp_path), "PYTHONHASHSEED": "7", "HF_TOKEN": "secret", "TRANSFORMERS_OFFLINE": "0"}
    done = by_hand(python, "good/sees", "--json", **leaks)
    record = json.loads(done.stdout)
    assert record["status"] == "done"
    assert record["fingerprint"]["flags"] == [0, 1, "0"]
    assert not {"PYTHONPATH", "HF_TOKEN"} & set(record["fingerprint"]["variables"])


def test_an_environment_without_libraries(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "venv", transformers="raise ImportError('incomplete')")
    done = by_hand(python, "good/passes[one,a]")
    assert done.returncode == 1
    assert "ImportError: incomplete" in done.stdout


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.13"])
def test_other_pythons(tmp_path: Path, version: str) -> None:
    found = shutil.which(f"python{version}")
    if found is None or subprocess.run([found, "-c", ""], check=False, capture_output=True).returncode:
        pytest.skip(f"there is no Python {version}")
    python = make_environment(tmp_path / "venv", python=found)
    for isolation in ("fork", "spawn"):
        with Probe(python, PROBE, [FAILING], tmp_path / isolation, isolation=isolation) as probe:
            assert probe.ready.versions["python"].startswith(version)
            for cell in ("good/passes[one,a]", "good/noise", "ends/raises"):
                ended = probe.run(cell, Limits(timeout=20))
                assert ended.record is not None, ended.log
