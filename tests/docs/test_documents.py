"""Documents that cannot rot: what is generated is what the tool gives, and commands that are named exist."""

import re
import subprocess
from pathlib import Path

import pytest

from compatmatrix import loading
from compatmatrix.atlas import Atlas
from compatmatrix.cli import cli
from compatmatrix.ledger import matches
from compatmatrix.report import context, markdown
from compatmatrix.results import Outcome, Run

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "README.zh-CN.md", *(ROOT / "docs").glob("*.md")]
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def published() -> Run:
    return Run.from_json((ROOT / "reports" / "latest.json").read_bytes())


@pytest.fixture(scope="module")
def atlas() -> Atlas:
    return Atlas.model_validate_json((ROOT / "reports" / "atlas" / "atlas.json").read_bytes())


def test_the_readmes_table_is_that_of_the_published_run(published: Run) -> None:
    assert markdown.insert(README, context.build(published)) == README, "accept the new one: compatmatrix readme"


def test_the_published_run_is_whole(published: Run) -> None:
    planned = {(column.version, cell) for column in published.columns for s in published.scenarios for cell in s.cells}
    assert {(row.version, row.cell) for row in published.results} == planned
    assert len(published.results) == len(planned)
    assert not {row.outcome for row in published.results} & {Outcome.NOT_RUN, Outcome.ENV_FAIL}


def test_the_published_atlas_is_whole_and_of_the_same_scenarios(published: Run, atlas: Atlas) -> None:
    assert [each.cell for each in atlas.cells] == [cell for s in published.scenarios for cell in s.cells]
    assert {span.outcome for each in atlas.cells for span in each.spans}.isdisjoint({Outcome.NOT_RUN, Outcome.ENV_FAIL})
    for each in atlas.cells:
        assert sum(span.releases for span in each.spans) == len(atlas.releases)


def test_the_published_atlas_says_what_the_published_run_says(published: Run, atlas: Atlas) -> None:
    """Both were measured beside the same lock: a scenario, or how it is judged, has not changed in between."""
    places = {release.lock_hash: index for index, release in enumerate(atlas.releases)}
    columns = {column.version: places[column.lock_hash] for column in published.columns if column.lock_hash in places}
    if not columns:
        pytest.skip("no column of the run has the lock of a release of the atlas: both may be right")
    outcomes = {each.cell: [span.outcome for span in each.spans for _ in range(span.releases)] for each in atlas.cells}
    shown = [row for row in published.results if row.version in columns]
    assert not [row.cell for row in shown if outcomes[row.cell][columns[row.version]] is not row.outcome]


def test_ci_runs_the_readmes_test_command() -> None:
    found = re.search(r"sed -n '(?P<expression>[^']*)'", (ROOT / ".ci" / "run").read_text(encoding="utf-8"))
    assert found
    done = subprocess.run(
        ["sed", "-n", found["expression"], str(ROOT / "README.md")], capture_output=True, text=True, check=True
    )
    assert done.stdout.count("\n") == 1
    assert "nox -s tests" in done.stdout


@pytest.mark.parametrize("name", sorted(cli.commands))
def test_every_command_has_help_and_is_documented(name: str) -> None:
    assert cli.commands[name].help
    documents = README + "".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs").glob("*.md"))
    assert f"compatmatrix {name}" in documents


def test_every_link_within_the_documents_leads_somewhere() -> None:
    for document in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


def test_every_dependency_is_explained() -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8").split("[project.scripts]")[0]
    table = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    for name in re.findall(r'^  "([a-z0-9-]+)[><=]', project, re.MULTILINE):
        assert f"| {name} |" in table, name


def test_no_path_of_a_machine_is_published(published: Run, atlas: Atlas) -> None:
    for text in (published.to_json(), atlas.to_json()):
        assert not re.search(r"(?<![\w.~-])/(?:home|root|Users|work|tmp|opt)/", text)


CELL = re.compile(r"(?<![\w/.-])[a-z0-9-]+/[a-z0-9-]+\[[^\]\s]*\]")


def test_every_cell_that_is_named_is_a_real_one() -> None:
    discovered, _ = loading.discover([ROOT / "scenarios"])
    cells = [cell for scenario in discovered for cell in scenario.cells]
    # What a command printed of the published run names the cells of that run: tests of its own compare these.
    printed = re.compile(r"^```text$.*?^```$", re.MULTILINE | re.DOTALL)
    texts = {path.name: printed.sub("", path.read_text(encoding="utf-8")) for path in DOCUMENTS}
    texts |= {name: command.help or "" for name, command in cli.commands.items()}
    named = {(name, cell) for name, text in texts.items() for cell in CELL.findall(text) if "…" not in cell}
    assert {"llama/auto-model[tied,disk]"} <= {cell for _, cell in named}
    lost = [(name, cell) for name, cell in sorted(named) if not any(matches(real, cell) for real in cells)]
    assert not lost
