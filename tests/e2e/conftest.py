"""A whole project in a temporary directory: the real noxfile, a mini matrix, an index of tiny packages."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from compatmatrix.results import Run
from tests.e2e.packages import behaviours
from tests.wheels import write_wheel

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent


class Project:
    """The mini project; ``nox`` and ``compatmatrix`` run in it as a user would run them."""

    def __init__(self, directory: Path, index: Path, *, bare: bool = False) -> None:
        self.directory = directory
        self.environ = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("PIP_", "UV_", "NOX"))},
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_FIND_LINKS": str(index),
            "PIP_NO_INDEX": "1",
            "UV_CACHE_DIR": str(index.parent / "uv-cache"),
            "PYTHONPATH": str(ROOT / "src"),
            "NO_COLOR": "1",
        }
        if bare:  # without nox and these scenarios
            return
        shutil.copy(ROOT / "noxfile.py", directory)
        shutil.copy(ROOT / "pyproject.toml", directory)
        shutil.copytree(HERE / "scenarios", directory / "scenarios", ignore=shutil.ignore_patterns("__pycache__"))

    def write_matrix(self, versions: Sequence[dict[str, Any]], **policy: Any) -> None:
        """A matrix.yaml of these versions, beside tiny torch and accelerate."""
        matrix = {
            "python": f"{sys.version_info.major}.{sys.version_info.minor}",
            "versions": list(versions),
            "companions": [
                {"package": name, "requirement": "==1.0.0", "why": "tiny"} for name in ("torch", "accelerate")
            ],
            "policy": {"timeout_seconds": 20, "no_progress_seconds": 2, "memory": "400MiB", "retries": 0, **policy},
        }
        (self.directory / "matrix.yaml").write_text(yaml.safe_dump(matrix, sort_keys=False), encoding="utf-8")

    def start(self, *command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=self.directory,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, timeout: float = 240) -> tuple[int, str]:
        """Exit status and everything that was printed."""
        process = self.start(*command)
        output, _ = process.communicate(timeout=timeout)
        return process.returncode, output

    def latest(self) -> Run:
        return Run.from_json((self.directory / "reports" / "latest.json").read_bytes())

    def outcomes(self) -> dict[str, list[str]]:
        """version -> the outcome of each cell, in order."""
        found: dict[str, list[str]] = {}
        for row in self.latest().results:
            found.setdefault(row.version, []).append(row.outcome.value)
        return found

    def processes(self) -> list[str]:
        """Command lines of processes that work in this project."""
        lines = []
        for process in psutil.process_iter(["cmdline"]):
            line = " ".join(process.info["cmdline"] or ())
            if str(self.directory) in line and process.status() != psutil.STATUS_ZOMBIE:
                lines.append(line)
        return lines


@pytest.fixture(scope="session")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory of tiny wheels, one release of transformers for each way of ending."""
    directory = tmp_path_factory.mktemp("tiny") / "index"
    directory.mkdir()
    for name, text in (("torch", behaviours.TORCH), ("accelerate", '__version__ = "1.0.0"\n')):
        write_wheel(directory, name, "1.0.0", {f"{name}/__init__.py": text})

    def release(version: str, text: str, *requires: str) -> None:
        write_wheel(directory, "transformers", version, {"transformers/__init__.py": text}, requires=requires)

    for version, body in behaviours.LOAD.items():
        release(version, behaviours.TEMPLATE.format(version=version, body=body))
    release("1.1.0", behaviours.WITHOUT_LOAD.format(version="1.1.0"))
    release("1.1.1", behaviours.BROKEN_IMPORT)
    release("1.1.2", behaviours.TEMPLATE.format(version="1.1.2", body="return 7"), "torch>=99")
    return directory


@pytest.fixture
def project(tmp_path: Path, index: Path) -> Project:
    directory = tmp_path / "project"
    directory.mkdir()
    return Project(directory, index)
