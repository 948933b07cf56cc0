"""Sweeps over tiny releases: real processes, real environments, interrupted and taken up again."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from compatmatrix import sweep_sheet
from compatmatrix.atlas import Atlas
from compatmatrix.errors import Exit
from compatmatrix.matrix import Matrix, Policy, PypiSource
from compatmatrix.plan import Plan, definition, make
from compatmatrix.releases import Release
from compatmatrix.results import Column, EnvFailure, EnvReason
from compatmatrix.settings import Settings
from compatmatrix.store import Store
from compatmatrix.sweep import Ended, Lost, Sweep
from tests.core.factories import result, scenario
from tests.e2e.conftest import Project
from tests.environment.packages import wheel


def atlas(project: Project) -> Atlas:
    return Atlas.model_validate_json((project.directory / ".compatmatrix" / "atlas" / "atlas.json").read_bytes())


def ranges(project: Project, cell: str) -> list[str]:
    (found,) = (each for each in atlas(project).cells if each.cell == cell)
    return [f"{span.outcome.value} {span.first}–{span.last}" for span in found.spans]


def test_every_release_in_a_range_and_only_what_is_new_again(project: Project) -> None:
    project.write_matrix([{"id": "1.0.0", "sources": [{"pypi": "1.0.0"}]}])
    assert project.run("compatmatrix", "run")[0] == 0
    status, output = project.run("compatmatrix", "sweep", ">=1.0.0,<1.0.3")
    assert status == 0, output
    assert "2 columns to run, 1 known" in output, "a release that matrix.yaml has shares its results"
    assert "[2/2]" in output
    assert "to go, about" in output
    assert ranges(project, "tiny/load[plain]") == ["pass 1.0.0–1.0.1", "fail 1.0.2–1.0.2"]
    assert ranges(project, "tiny/load[mapped]") == ["pass 1.0.0–1.0.0", "wrong 1.0.1–1.0.1", "fail 1.0.2–1.0.2"]
    status, output = project.run("compatmatrix", "sweep", ">=1.0.0,<1.0.3")
    assert "0 columns to run, 3 known" in output
    status, output = project.run("compatmatrix", "sweep", ">=1.0.1,<1.0.3", "--fresh", "--cells", "tiny/card")
    assert "2 columns to run" in output
    assert [each.cell for each in atlas(project).cells] == ["tiny/card"]
    status, output = project.run("nox", "-s", "sweep", "--", "==1.0.0")
    assert "0 columns to run, 1 known" in output


def test_scenarios_of_ones_own_in_the_last_release_of_each_minor_version(project: Project) -> None:
    """Each column is a process of its own, which must find the same scenarios under the same names."""
    project.write_matrix([{"id": "1.0.0", "sources": [{"pypi": "1.0.0"}]}])
    (project.directory / "mine.py").write_text(
        "from compatprobe import Cell, scenario\n\n\n"
        '@scenario(title="mine")\n'
        "def mine(cell: Cell) -> None:\n"
        '    """It passes where there is a package."""\n'
        '    cell.equal("name", cell.id, "mine/mine")\n'
    )
    options = (">=1.0.7,<1.1.1", "--latest-of-minor", "--scenarios", "mine.py", "--cells", "mine")
    status, output = project.run("compatmatrix", "sweep", *options)
    assert status == 0, output
    assert "2 releases from 1.0.8 to 1.1.0, 1 cells each: 2 columns to run" in output
    assert ranges(project, "mine/mine") == ["pass 1.0.8–1.1.0"]
    status, output = project.run("compatmatrix", "sweep", *options)
    assert "0 columns to run, 2 known" in output, "the results are found again under the same keys"


def test_a_release_without_environment_is_told_and_not_jumped_over(project: Project) -> None:
    project.write_matrix([{"id": "1.0.0", "sources": [{"pypi": "1.0.0"}]}])
    status, output = project.run("compatmatrix", "sweep", ">=1.0.8,<1.2", "--cells", "tiny/load[plain]", "--jobs", "2")
    assert status == Exit.INFRASTRUCTURE, output
    assert ranges(project, "tiny/load[plain]") == [
        *("pass 1.0.8–1.0.8", "unsupported 1.1.0–1.1.0", "env-fail 1.1.1–1.1.2"),
    ]
    failures = {each.version: each.failure.partition(":")[0] for each in atlas(project).releases if each.failure}
    assert failures == {"1.1.1": "import-failed", "1.1.2": "conflict"}
    assert "trying again" not in output, "what answers the same each time is not tried again"
    assert "4 releases in >=1.0.8,<1.2: 2 with an environment, 2 without" in output


@pytest.mark.parametrize(("options", "left"), [(["--room", "1e9"], 0), (["--room", "1e9", "--keep-environments"], 2)])
def test_environments_go_when_the_disk_is_short(project: Project, options: list[str], left: int) -> None:
    project.write_matrix([{"id": "1.0.0", "sources": [{"pypi": "1.0.0"}]}])
    status, output = project.run("compatmatrix", "sweep", ">=1.0.0,<1.0.2", *options)
    assert status == 0, output
    assert len(list((project.directory / ".compatmatrix" / "environments").glob("transformers-*"))) == left
    assert output.count("removed the environment") == 2 - left


def test_an_environment_that_was_there_before_stays(project: Project) -> None:
    project.write_matrix([{"id": "1.0.0", "sources": [{"pypi": "1.0.0"}]}])
    assert project.run("compatmatrix", "run", "tiny/card")[0] == 0
    status, output = project.run("compatmatrix", "sweep", ">=1.0.0,<1.0.2", "--room", "1e9")
    assert status == 0, output
    (left,) = (project.directory / ".compatmatrix" / "environments").glob("transformers-*")
    assert "1.0.0" in left.name


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_sweep_leaves_nothing_running_and_goes_on(project: Project, kill: int) -> None:
    # 1.0.8 passes in its first cell and hangs in its second; only the parent is signalled.
    limits = {"no_progress_seconds": 3, "timeout_seconds": 3}
    project.write_matrix([{"id": "1.0.0", "sources": [{"pypi": "1.0.0"}]}], **limits)
    process = project.start("compatmatrix", "sweep", ">=1.0.6,<1.0.9", "--jobs", "1")
    assert process.stdout is not None
    while "[1/" not in process.stdout.readline():
        assert process.poll() is None
    os.kill(process.pid, kill)
    process.communicate(timeout=60)
    assert process.returncode in (Exit.INTERRUPTED, -signal.SIGKILL)
    # A process that lost its reader ends with its next line: when its cell has ended.
    deadline = time.monotonic() + (5 if kill != signal.SIGKILL else 40)  # a machine may be busy
    while project.processes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert project.processes() == []
    status, output = project.run("compatmatrix", "sweep", ">=1.0.6,<1.0.9")
    assert status == 0, output
    assert " 0 known" not in output
    assert all(span.outcome != "not-run" for cell in atlas(project).cells for span in cell.spans)


def test_flips_are_confirmed_by_repetition_and_those_by_chance_called_flaky(project: Project) -> None:
    project.write_matrix([{"id": "1.0.0", "sources": [{"pypi": "1.0.0"}]}])
    scenarios = project.directory / "scenarios" / "tiny"
    (scenarios / "chance.py").write_text(
        "from compatprobe import Cell, scenario\n\n\n"
        '@scenario(title="another answer each time")\n'
        "def chance(cell: Cell) -> None:\n"
        '    """It is never the same twice."""\n'
        "    import time\n"
        '    cell.fact("now", time.time())\n'
        '    cell.check("value", 0, 0)\n'
    )
    range_ = (">=1.0.0,<1.0.2", "--cells", "tiny/load[mapped]", "--cells", "tiny/chance")
    assert project.run("compatmatrix", "sweep", *range_)[0] == 0
    output = project.run("compatmatrix", "flips", *range_)[1]
    assert "tiny/load [mapped]: pass → wrong (seen once)" in output
    output = project.run("compatmatrix", "flips", *range_, "--confirm", "--change", "better")[1]
    assert "0 flips in 2 releases" in output
    output = project.run("compatmatrix", "flips", *range_, "--confirm", "--change", "worse")[1]
    assert "repeating 2 cells in 2 columns, 3 times" in output
    assert "tiny/chance" not in output
    output = project.run("compatmatrix", "flips", *range_, "--confirm")[1]
    assert "repeating 2 cells in 2 columns, 3 times" in output
    assert "pass → wrong (confirmed)" in output, output
    assert "tiny/chance: behaves differently (flaky)" in output
    output = project.run("compatmatrix", "flips", *range_, "--confirm")[1]
    assert "repeating" not in output, "what was confirmed is remembered"
    assert "2 flips in 2 releases: 1 confirmed, 1 flaky" in output
    assert project.run("compatmatrix", "atlas", *range_)[0] == 0
    assert sorted(flip.belief.value for flip in atlas(project).flips) == ["confirmed", "flaky"]


def test_nothing_is_confirmed_beside_other_packages(project: Project, index: Path, tmp_path: Path) -> None:
    project.write_matrix([{"id": "1.0.0", "sources": [{"pypi": "1.0.0"}]}])
    file = project.directory / "matrix.yaml"
    matrix = yaml.safe_load(file.read_text())
    matrix["companions"].append({"package": "tokenizers", "requirement": ">=1", "why": "it moves on"})
    file.write_text(yaml.safe_dump(matrix))
    wheel(tmp_path, "tokenizers", "1.0")
    project.environ["PIP_FIND_LINKS"] = f"{index} {tmp_path}"
    range_ = (">=1.0.0,<1.0.2", "--cells", "tiny/load[mapped]")
    assert project.run("compatmatrix", "sweep", *range_)[0] == 0
    wheel(tmp_path, "tokenizers", "2.0")
    status, output = project.run("compatmatrix", "flips", *range_, "--confirm")
    assert status == Exit.INFRASTRUCTURE
    assert "the packages beside it have changed since the sweep; nothing of it was confirmed" in output
    output = project.run("compatmatrix", "flips", *range_)[1]
    assert "pass → wrong (seen once)" in output, "what was swept is still known"


def test_bad_input_is_one_clear_message(project: Project) -> None:
    project.write_matrix([{"id": "1.0.0", "sources": [{"pypi": "1.0.0"}]}])
    for command, told in (
        (("sweep", ">=7"), "no release of transformers in '>=7'"),
        (("sweep", "seven"), "not a range of versions"),
        (("sweep", ">=1", "--cells", "tiny/laod"), "Did you mean 'tiny/load'?"),
    ):
        status, output = project.run("compatmatrix", *command)
        assert status == Exit.INPUT
        assert output.count(told) == 1, output
        assert "Traceback" not in output


# -- without processes


def plan_of(*versions: str) -> Plan:
    matrix = Matrix.model_validate({"python": "3.11", "versions": [{"id": "x", "sources": [{"pypi": "1.0"}]}]})
    swept = sweep_sheet.matrix_of(matrix, [Release(version=each) for each in versions])
    return make(swept, [scenario("llama/plain", "[a]", "[b]")], "basis")


class Scripted:
    """Each process ends as the script says: with a reason for no environment, a status, lost, or well."""

    elsewhere = False

    def __init__(self, plan: Plan, store: Path, script: list[EnvReason | Exit | Lost | None]) -> None:
        self.plan, self.store, self.script = plan, store, script

    def at_once(self, columns: int) -> int:
        return columns

    def finished(self, environment: str) -> None:
        assert environment == "e"

    def end(self) -> None:
        raise AssertionError("nothing was interrupted")

    def column(self, id: str, cells: tuple[str, ...]) -> Ended:
        what = self.script.pop(0)
        if isinstance(what, Lost):
            raise what
        version = next(version for version in self.plan.versions if version.id == id)
        column = Column(version=id, definition=definition(self.plan.matrix, version), lock_hash="l", environment="e")
        if isinstance(what, EnvReason):
            column = column.model_copy(update={"failure": EnvFailure(reason=what, message="no answer")})
        with Store(self.store) as store:
            store.put_column(column)
            if what is None:
                for cell in self.plan.cells:
                    store.put(result(cell.id, id, key=self.plan.key(column, cell)))
        return Ended(what if isinstance(what, Exit) else Exit.OK, "the last line")


def scripted(tmp_path: Path, *script: EnvReason | Exit | Lost | None) -> tuple[Sweep, Scripted, list[str]]:
    said: list[str] = []
    settings = Settings(root=tmp_path, state=tmp_path / "state", scenario_roots=())
    plan = plan_of("1.0")
    executor = Scripted(plan, settings.store, list(script))
    return Sweep(plan, settings, executor, said.append, pauses=(0.0, 0.0)), executor, said


@pytest.mark.parametrize("first", [EnvReason.UNREACHABLE, EnvReason.DISK_FULL, Exit.STORAGE, Exit.DEFECT])
def test_infrastructure_is_tried_again(tmp_path: Path, first: EnvReason | Exit) -> None:
    running, executor, said = scripted(tmp_path, first, None)
    assert running.run({"1.0": ()}) == {"1.0": Exit.OK}
    assert executor.script == []
    assert sum("trying again" in line for line in said) == 1
    assert said[-1].startswith("[1/1] 1.0  2 pass in ")


def test_infrastructure_that_stays_away_is_no_outcome_of_the_version(tmp_path: Path) -> None:
    running, executor, said = scripted(tmp_path, *[EnvReason.UNREACHABLE] * 3)
    running.run({"1.0": ()})
    assert executor.script == []
    assert said[-1] == "[1/1] 1.0  env-fail: unreachable: no answer"
    plan = plan_of("1.0")
    with Store(tmp_path / "state" / "results.sqlite") as store:
        sheet = sweep_sheet.sheet(plan, [Release(version="1.0")], "", store)
        assert sweep_sheet.missing(plan, store) == {"1.0": 2}, "the next sweep tries again"
    assert {each.outcome.value for row in sheet.cells.values() for each in row} == {"env-fail"}
    assert not any(each.outcome.red for row in sheet.cells.values() for each in row)


def test_what_answers_the_same_each_time_is_not_tried_again(tmp_path: Path) -> None:
    running, executor, _ = scripted(tmp_path, EnvReason.CONFLICT, None)
    running.run({"1.0": ()})
    assert executor.script == [None]


def test_what_is_lost_for_good_is_told_and_not_tried_again(tmp_path: Path) -> None:
    running, executor, said = scripted(tmp_path, Lost("4 workers died while they ran it"), None)
    assert running.run({"1.0": ()}) == {"1.0": Exit.INFRASTRUCTURE}
    assert executor.script == [None]
    assert said == ["[1/1] 1.0  4 workers died while they ran it"]


def test_releases_take_the_place_of_the_matrix_versions() -> None:
    companions = [{"package": "torch", "requirement": "==2", "why": "one torch"}]
    versions: list[dict[str, Any]] = [
        {"id": "1.0", "sources": [{"pypi": "1.0"}], "python": "3.12"},
        {"id": "1.1", "sources": [{"path": "somewhere"}]},
        {"id": "main", "sources": [{"pypi": "newest"}]},
    ]
    matrix = Matrix.model_validate({"python": "3.11", "versions": versions, "companions": companions})
    releases = [Release(version="1.0"), Release(version="1.1"), Release(version="1.2", yanked="broken")]
    swept = sweep_sheet.matrix_of(matrix, releases)
    assert swept.versions[0] is matrix.versions[0]
    assert [version.id for version in swept.versions] == ["1.0", "release-1.1", "1.2"]
    assert swept.versions[2].sources == (PypiSource(pypi="1.2", yanked=True),)
    assert (swept.companions, swept.policy) == (matrix.companions, Policy())
    assert Matrix.model_validate(json.loads(sweep_sheet.matrix_text(swept))) == swept
