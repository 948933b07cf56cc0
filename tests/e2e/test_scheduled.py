"""The scheduled run, rehearsed: the shell steps of the workflow as they stand there, on machines that differ."""

import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from compatmatrix.errors import Exit
from compatmatrix.results import CellResult, News
from tests.e2e.conftest import ROOT, Project
from tests.workflows.test_workflows import BASH

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("bash", "curl", "jq"))), reason="the workflow's steps need bash, curl and jq"
)
MATRIX = yaml.safe_load((ROOT / ".github" / "workflows" / "matrix.yml").read_text(encoding="utf-8"))
HEARTBEAT = yaml.safe_load((ROOT / ".github" / "workflows" / "heartbeat.yml").read_text(encoding="utf-8"))
VERSIONS = [{"id": "good", "sources": [{"pypi": "1.0.0"}]}, {"id": "bad", "sources": [{"pypi": "1.0.2"}]}]

#: Instead of GitHub: keeps what it was told, with the files that it was handed.
GH = """\
#!/usr/bin/env bash
case "$1 $2" in
  "issue list") cat "$RUNNER/issues" ;;
  "api "*) if [ -n "$SITE" ]; then echo "$SITE"; else echo "gh: $TROUBLE" >&2; exit 1; fi ;;
  *) printf '%s\\n' "$*" >> "$RUNNER/told"; for last; do :; done; [ ! -f "$last" ] || cat "$last" >> "$RUNNER/told" ;;
esac
"""


class Runner:
    """A machine with a checkout of its own, on which steps of a workflow are run as GitHub runs them."""

    def __init__(self, directory: Path, index: Path, site: str = "", **more: str) -> None:
        directory.mkdir(parents=True)
        self.checkout = directory / "checkout"
        self.checkout.mkdir()
        self.project = Project(self.checkout, index)
        self.checkout.joinpath(".github").symlink_to(ROOT / ".github")
        self.project.write_matrix(VERSIONS, overdue_after_days=9)
        self.home = directory / "runner"
        tools = self.home / "bin"
        tools.mkdir(parents=True)
        for name in ("compatmatrix", "nox"):
            _program(tools / name, f'#!/bin/sh\nexec "{sys.executable}" -m {name} "$@"\n')
        _program(tools / "gh", GH)
        (self.home / "issues").write_text("[]", encoding="utf-8")
        self.environ = {
            **self.project.environ,
            "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
            "RUNNER": str(self.home),
            "SITE": site,
            "GITHUB_OUTPUT": str(self.home / "output"),
            "GITHUB_STEP_SUMMARY": str(self.home / "summary"),
            "GITHUB_REPOSITORY": "owner/repository",
            "JOB_URL": "https://github.com/owner/repository/actions/runs/1",
            **more,
        }

    def step(self, workflow: Mapping[str, Any], job: str, name: str, **environ: str) -> str:
        """Run one step's shell lines literally; what was printed."""
        step = next(step for step in workflow["jobs"][job]["steps"] if step.get("name") == name)
        done = subprocess.run(
            ["bash", *BASH, step["run"]],
            check=False,
            cwd=self.checkout,
            env={**self.environ, **environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, f"{name}: {done.stdout}"
        return done.stdout

    def outputs(self) -> dict[str, str]:
        text = (self.home / "output").read_text(encoding="utf-8")
        return dict(line.split("=", 1) for line in text.splitlines())

    def column(self, version: str, artifacts: Path) -> None:
        """The job of one column; what it hands over lands where the artifacts are downloaded to."""
        for name in ("Build the environment", "Run the column"):
            self.step(MATRIX, "column", name, VERSION=version)
        target = artifacts / f"column-{version}"
        target.mkdir(parents=True)
        for file in (self.checkout / ".compatmatrix").glob("results.sqlite*"):
            shutil.copy(file, target)

    def report(self) -> None:
        for name in (
            "Fetch what is published",
            "Merge the columns",
            "Render the report",
            "Decide about the tracking issue",
        ):
            self.step(MATRIX, "report", name)

    def track(self) -> str:
        """What GitHub was told to do with the tracking issue."""
        self.step(MATRIX, "issue", "Open, update or close it")
        told = self.home / "told"
        return told.read_text(encoding="utf-8") if told.exists() else ""


def _program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """The tests' output is for failures."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """What Pages would serve, and its address."""
    folder = tmp_path / "site"
    folder.mkdir()
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


def measured(project: Project) -> dict[tuple[str, str], CellResult]:
    """The rows of the published run without what differs from one measurement to the next."""
    differs = {"measured_at": None, "seconds": 0.0, "peak_memory": 0, "steps": (), "log": ""}
    return {(row.version, row.cell): row.model_copy(update=differs) for row in project.latest().results}


def test_columns_of_several_machines_make_the_report_of_one(
    tmp_path: Path, index: Path, site: tuple[Path, str]
) -> None:
    folder, address = site
    merging = Runner(tmp_path / "merging", index, address)
    merging.step(MATRIX, "list", "List the columns")
    versions = json.loads(merging.outputs()["versions"])
    assert versions == ["good", "bad"]

    artifacts = merging.checkout / "columns"
    for version in versions:
        machine = Runner(tmp_path / version, index)
        # Another compiler: cells that need something of the machine are kept under keys of their own.
        _program(machine.home / "bin" / "g++", "#!/bin/sh\nexit 1\n")
        machine.column(version, artifacts)
    merging.report()

    alone = Runner(tmp_path / "alone", index).project
    assert alone.run("compatmatrix", "run")[0] == Exit.REGRESSED
    assert alone.outcomes() == {"good": ["pass", "pass", "skipped"], "bad": ["fail", "fail", "skipped"]}
    own = {cell: row.model_copy(update={"key": ""}) for cell, row in measured(alone).items()}
    assert {cell: row.model_copy(update={"key": ""}) for cell, row in measured(merging.project).items()} == own
    plain = [cell for cell in own if cell[1] != "tiny/card"]
    assert [measured(merging.project)[cell].key for cell in plain] == [measured(alone)[cell].key for cell in plain]
    columns = {column.version: column for column in merging.project.latest().columns}
    for column in alone.latest().columns:
        assert columns[column.version].lock == column.lock

    assert merging.outputs()["status"] == str(int(Exit.REGRESSED))
    assert "bad" in (merging.home / "summary").read_text(encoding="utf-8")
    told = merging.track()
    assert told.splitlines()[0].startswith("label create compatmatrix")
    assert "issue create --title Matrix: 2 cells red and unexplained --label compatmatrix --body-file" in told
    assert "<!-- compatmatrix-tracking told=" in told

    # The next run compares with what was published, and goes on with the issue that is open.
    shutil.copytree(merging.checkout / "reports", folder, dirs_exist_ok=True)
    after = Runner(tmp_path / "after", index, address)
    body = (merging.checkout / "tracking" / "body.md").read_text(encoding="utf-8")
    listing = [{"number": 5, "body": body, "author": {"is_bot": True, "login": "app/github-actions"}}]
    (after.home / "issues").write_text(json.dumps(listing), encoding="utf-8")
    after.project.write_matrix([VERSIONS[0], {"id": "bad", "sources": [{"pypi": "1.0.0"}]}], overdue_after_days=9)
    Runner(tmp_path / "good-again", index).column("good", after.checkout / "columns")
    fixed = Runner(tmp_path / "bad-again", index)
    shutil.copy(after.checkout / "matrix.yaml", fixed.checkout)
    fixed.column("bad", after.checkout / "columns")
    after.report()
    assert set(after.project.latest().news["bad"].values()) == {News.FIXED}
    assert after.project.latest().compared_with == merging.project.latest().id
    kept = {path.name: path.read_bytes() for path in (folder / "runs").glob("*Z-*.json")}
    assert kept
    assert {name: (after.checkout / "reports" / "runs" / name).read_bytes() for name in kept} == kept
    told = after.track()
    assert "issue edit 5 --title Matrix: 2 cells fixed --body-file tracking/body.md" in told
    assert "issue comment 5 --body-file tracking/comment.md" in told

    # The heartbeat hears of it while it is young, and speaks when it is too old.
    shutil.copytree(after.checkout / "reports", folder, dirs_exist_ok=True)
    listen = "Compare its age with what is allowed"
    after.step(HEARTBEAT, "listen", "Fetch what is published")
    after.step(HEARTBEAT, "listen", listen)
    assert after.outputs()["action"] == "none"
    latest = json.loads((folder / "latest.json").read_text(encoding="utf-8"))
    latest["finished"] = "2020-02-02T00:00:00Z"
    (folder / "latest.json").write_text(json.dumps(latest), encoding="utf-8")
    after.step(HEARTBEAT, "listen", "Fetch what is published")
    after.step(HEARTBEAT, "listen", listen)
    assert after.outputs()["action"] == "update"
    assert "issue edit 5 --title Matrix: no run since 2020-02-02" in after.track()


def test_a_column_that_never_came_is_shown_as_not_run(tmp_path: Path, index: Path, site: tuple[Path, str]) -> None:
    merging = Runner(tmp_path / "merging", index, site[1])
    Runner(tmp_path / "good", index).column("good", merging.checkout / "columns")
    merging.report()
    assert merging.project.outcomes() == {"good": ["pass", "pass", "skipped"], "bad": ["not-run"] * 3}
    assert merging.outputs()["status"] == str(int(Exit.INFRASTRUCTURE))
    assert merging.track() == ""
    with pytest.raises(AssertionError, match="::error::a column has no environment"):
        merging.step(MATRIX, "issue", "Say so where the run is not complete", STATUS="5")
    merging.step(MATRIX, "issue", "Say so where the run is not complete", STATUS="3")


def test_a_site_in_trouble_ends_the_run_before_everything_looks_new(tmp_path: Path, index: Path) -> None:
    runner = Runner(tmp_path / "merging", index, "http://127.0.0.1:9/")
    with pytest.raises(AssertionError, match="Fetch what is published"):
        runner.step(MATRIX, "report", "Fetch what is published")
    runner.environ.update(SITE="", TROUBLE="Server Error (HTTP 502)")
    with pytest.raises(AssertionError, match="HTTP 502"):
        runner.step(MATRIX, "report", "Fetch what is published")
    runner.environ.update(TROUBLE="Not Found (HTTP 404)")
    runner.step(MATRIX, "report", "Fetch what is published")
    assert (runner.checkout / "address.txt").read_text(encoding="utf-8") == ""


def test_without_pages_the_heartbeat_is_quiet(tmp_path: Path, index: Path, site: tuple[Path, str]) -> None:
    runner = Runner(tmp_path / "new", index, site[1])
    runner.step(HEARTBEAT, "listen", "Fetch what is published")
    assert "nothing is published yet" in runner.step(HEARTBEAT, "listen", "Compare its age with what is allowed")
    assert runner.outputs() == {"action": "none"}


def test_a_history_that_is_half_there_ends_the_run(tmp_path: Path, index: Path, site: tuple[Path, str]) -> None:
    folder, address = site
    runner, fetch = Runner(tmp_path / "merging", index, address), "Fetch what is published"
    (folder / "latest.json").write_text("{}", encoding="utf-8")
    with pytest.raises(AssertionError, match=r"runs/index\.json: HTTP 404"):
        runner.step(MATRIX, "report", fetch)
    (folder / "runs").mkdir()
    (folder / "runs" / "index.json").write_text('{"schema": 1, "runs": ["one.json"]}', encoding="utf-8")
    with pytest.raises(AssertionError, match=r"runs/one\.json: HTTP 404"):
        runner.step(MATRIX, "report", fetch)
    (folder / "runs" / "one.json").write_text("{}", encoding="utf-8")
    runner.step(MATRIX, "report", fetch)
    assert (runner.checkout / "reports" / "runs" / "one.json").exists()
    # The heartbeat needs no history.
    (folder / "runs" / "index.json").unlink()
    runner.step(HEARTBEAT, "listen", fetch)


def test_a_damaged_artifact_costs_its_own_column_only(tmp_path: Path, index: Path, site: tuple[Path, str]) -> None:
    merging = Runner(tmp_path / "merging", index, site[1])
    artifacts = merging.checkout / "columns"
    Runner(tmp_path / "good", index).column("good", artifacts)
    (artifacts / "column-bad").mkdir()
    (artifacts / "column-bad" / "results.sqlite").write_bytes(b"no database" * 100)
    merging.report()
    assert merging.project.outcomes() == {"good": ["pass", "pass", "skipped"], "bad": ["not-run"] * 3}
    assert merging.outputs()["status"] == str(int(Exit.INFRASTRUCTURE))
