"""The shipped ledger of known issues, held against the scenarios and against the published run."""

import datetime
from collections.abc import Mapping
from pathlib import Path

import pytest

from compatmatrix.ledger import Ledger
from compatmatrix.loading import discover, load_ledger
from compatmatrix.results import Column, Outcome, Run

ROOT = Path(__file__).parents[2]
LEDGER = ROOT / "scenarios" / "known_issues.yaml"
LATEST = ROOT / "reports" / "latest.json"
#: When the ledger was last read through. A fixed date: a test must not turn red because time goes by.
REVIEWED = datetime.date(2026, 11, 21)


@pytest.fixture(scope="module")
def ledger() -> Ledger:
    return load_ledger(LEDGER)


@pytest.fixture(scope="module")
def published() -> Run:
    if not LATEST.exists():
        pytest.skip("no run is published in reports/latest.json")
    return Run.from_json(LATEST.read_text(encoding="utf-8"))


def _columns(run: Run) -> Mapping[str, Column]:
    return {column.version: column for column in run.columns}


def test_it_loads_and_names_its_schema(ledger: Ledger) -> None:
    assert ledger.issues
    first = LEDGER.read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=../docs/ledger.schema.json"


def test_ids_are_unique(ledger: Ledger) -> None:
    ids = [issue.id for issue in ledger.issues]
    assert len(ids) == len(set(ids))


def test_every_entry_says_what_was_measured_and_why(ledger: Ledger) -> None:
    assert [issue.id for issue in ledger.issues if not issue.evidence or not issue.cause.endswith(".")] == []
    public = "https://github.com/"
    assert [link for issue in ledger.issues for link in issue.links if not link.startswith(public)] == []


def test_every_range_is_closed(ledger: Ledger) -> None:
    """An open range would explain the failures of a version that nobody has looked at."""
    closed = [issue.versions.startswith("==") or "<" in issue.versions for issue in ledger.issues]
    assert all(closed), [issue.id for issue, good in zip(ledger.issues, closed, strict=True) if not good]


def test_cells_and_cures_name_scenarios(ledger: Ledger) -> None:
    scenarios = {scenario.id for scenario in discover([ROOT / "scenarios"])[0]}
    assert {cure for issue in ledger.issues for cure in issue.cures} <= scenarios
    exact = {glob.split("[", 1)[0] for issue in ledger.issues for glob in issue.cells}
    assert {name for name in exact if "*" not in name} <= scenarios


def test_no_entry_is_overdue(ledger: Ledger) -> None:
    assert [issue.id for issue in ledger.issues if issue.review <= REVIEWED] == []


def test_every_red_cell_of_the_published_run_is_explained(ledger: Ledger, published: Run) -> None:
    columns = _columns(published)
    red = [row for row in published.results if row.outcome.red]
    unexplained = [
        (row.version, row.cell, row.signature or row.reason)
        for row in red
        if ledger.explanation(row, columns[row.version]) is None
    ]
    assert unexplained == []


def test_every_entry_explains_a_cell_and_no_cell_has_two(ledger: Ledger, published: Run) -> None:
    columns = _columns(published)
    explained = [
        [issue.id for issue in ledger.issues if issue.explains(row, columns[row.version])]
        for row in published.results
        if row.outcome.red
    ]
    assert {issue.id for issue in ledger.issues} == {id for ids in explained for id in ids}
    assert [ids for ids in explained if len(ids) > 1] == []


def test_cures_were_seen_to_pass_in_the_same_versions(ledger: Ledger, published: Run) -> None:
    columns = _columns(published)
    passed = {(row.version, row.cell.split("[", 1)[0]) for row in published.results if row.outcome is Outcome.PASS}
    unseen = {
        (issue.id, cure, row.version)
        for issue in ledger.issues
        for row in published.results
        if row.outcome.red and issue.explains(row, columns[row.version])
        for cure in issue.cures
        if (row.version, cure) not in passed
    }
    assert unseen == set()


def test_what_is_said_to_be_fixed_passes_there(ledger: Ledger, published: Run) -> None:
    columns = _columns(published)
    outcomes = {(columns[row.version].transformers, row.cell): row.outcome for row in published.results}
    measured = {column.transformers for column in published.columns}
    broken = {
        (issue.id, row.cell)
        for issue in ledger.issues
        if issue.fixed_in in measured
        for row in published.results
        if row.outcome.red
        and issue.explains(row, columns[row.version])
        and outcomes.get((issue.fixed_in, row.cell)) is not Outcome.PASS
    }
    assert broken == set()
