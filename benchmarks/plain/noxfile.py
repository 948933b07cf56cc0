"""What people write: a session for each version, its packages by pip, a test for each cell, a process for each test."""

import json
from pathlib import Path

import nox

nox.options.default_venv_backend = "virtualenv"

PROJECT = json.loads(Path(__file__).with_name("project.json").read_text(encoding="utf-8"))


@nox.session
@nox.parametrize("version", PROJECT["versions"])
def cells(session: nox.Session, version: str) -> None:
    """Install one version, and load every checkpoint."""
    session.install("-r", f"requirements-{version}.txt")
    session.run("pytest", "-q", "--tb=line", "test_cells.py", env={"COLUMN": version}, success_codes=[0, 1])
