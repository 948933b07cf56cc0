"""The report keeps the history: a real command in a project of its own, in which nothing was run yet."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as Tree

import pytest

from compatmatrix.errors import Exit
from compatmatrix.history import Snapshot
from tests.e2e.conftest import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "project").mkdir()
    project = Project(tmp_path / "project", tmp_path / "index")
    project.write_matrix([{"id": "1.0.0", "sources": [{"pypi": "1.0.0"}]}], overdue_after_days=9)
    return project


def names(project: Project) -> list[str]:
    return sorted(path.name for path in (project.directory / "reports/runs").iterdir())


def report(project: Project, *words: str) -> str:
    status, output = project.run("compatmatrix", "report", *words)
    assert status == Exit.INFRASTRUCTURE, output
    return output


def test_a_report_keeps_its_run_once(project: Project) -> None:
    report(project)
    first = project.latest()
    assert names(project) == [f"{first.id}.json", "index.json"]
    kept = Snapshot.from_json((project.directory / f"reports/runs/{first.id}.json").read_bytes())
    assert not kept.complete
    report(project)
    assert names(project) == [f"{first.id}.json", "index.json"], "the same, rendered again, is no other run"
    for name in ("feed.xml", "junit.xml", "badge.svg"):
        Tree.parse(project.directory / "reports" / name)
    assert json.loads((project.directory / "reports/badges/1.0.0.json").read_text())["schemaVersion"] == 1


def test_a_selection_is_kept_in_no_history(project: Project) -> None:
    report(project, "tiny/*")
    selection = project.directory / ".compatmatrix/selection"
    assert (selection / "junit.xml").exists()
    assert not (selection / "runs").exists() and not (selection / "feed.xml").exists()
    assert not (project.directory / "reports").exists()


def test_a_damaged_history_costs_a_message_and_no_report(project: Project) -> None:
    report(project)
    [damaged] = (project.directory / "reports/runs").glob("2*.json")
    damaged.write_text("{")
    before = project.latest()
    output = report(project)
    assert f"left out of the history: {damaged.name}: Invalid JSON" in output
    assert project.latest().id != before.id
    assert damaged.read_text() == "{", "it is left for somebody to look at"


def test_a_history_begins_with_what_is_published(project: Project) -> None:
    report(project)
    first = project.latest()
    for path in (project.directory / "reports/runs").iterdir():
        path.unlink()
    report(project)
    assert names(project) == [f"{first.id}.json", "index.json"]
