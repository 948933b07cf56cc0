"""The workflows as text: what they may do, what they run, and which columns they would start."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from compatmatrix.session import version_ids

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in FILES}
JOBS = [pytest.param(job, id=f"{name}-{id}") for name, flow in WORKFLOWS.items() for id, job in flow["jobs"].items()]
MAY_WRITE = {
    ("matrix", "publish"): {"pages", "id-token"},
    ("matrix", "issue"): {"issues"},
    ("heartbeat", "issue"): {"issues"},
}
BASH = ("--noprofile", "--norc", "-eo", "pipefail", "-c")
"""How GitHub starts bash where a workflow names it as its shell."""
EXPRESSION = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)


def test_they_are_all_there() -> None:
    assert set(WORKFLOWS) == {"matrix", "heartbeat", "tests"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_action_is_pinned_by_commit_and_says_which_version_it_is(path: Path) -> None:
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.fullmatch(r"(- )?uses: actions/[a-z/-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


def test_one_action_is_pinned_to_one_commit() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in FILES)
    pins: dict[str, set[str]] = {}
    for action, pin in re.findall(r"uses: (actions/[a-z-]+)[a-z/-]*@(.+)", text):
        pins.setdefault(action, set()).add(pin)
    assert {action: len(each) for action, each in pins.items()} == dict.fromkeys(pins, 1)


@pytest.mark.parametrize("name", WORKFLOWS)
def test_only_what_is_named_may_write(name: str) -> None:
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] == {}
    for id, job in workflow["jobs"].items():
        writes = {what for what, how in job["permissions"].items() if how == "write"}
        assert writes == MAY_WRITE.get((name, id), set())
        assert set(job["permissions"].values()) <= {"read", "write"}


@pytest.mark.parametrize(("name", "id"), MAY_WRITE)
def test_who_may_write_runs_neither_this_project_nor_anything_that_is_installed(name: str, id: str) -> None:
    for step in WORKFLOWS[name]["jobs"][id]["steps"]:
        assert not re.search(r"\b(pip|uv|nox|python|compatmatrix)\b", step.get("run", ""))


def test_what_columns_run_gets_no_token_and_no_secret() -> None:
    column = WORKFLOWS["matrix"]["jobs"]["column"]
    assert column["permissions"] == {"contents": "read"}
    assert not re.search("token|secrets", json.dumps(column), re.IGNORECASE)


def test_packages_are_saved_before_any_of_them_runs() -> None:
    names = [
        step.get("uses", "").split("@")[0] or step["run"] for step in WORKFLOWS["matrix"]["jobs"]["column"]["steps"]
    ]
    order = ["actions/cache/restore", 'compatmatrix environment "$VERSION"', "actions/cache/save"]
    order.append('nox --session "column($VERSION)"')
    assert [name for name in names if name in order] == order


@pytest.mark.parametrize("job", JOBS)
def test_a_job_ends_and_leaves_no_credentials(job: dict[str, Any]) -> None:
    assert job["timeout-minutes"] <= 120
    assert job["runs-on"] == "ubuntu-24.04"
    for step in job["steps"]:
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("job", JOBS)
def test_nothing_is_pasted_into_a_script(job: dict[str, Any]) -> None:
    for step in job["steps"]:
        assert not EXPRESSION.search(step.get("run", ""))


def test_nothing_that_strangers_write_reaches_an_expression() -> None:
    """Titles, bodies, branch names and inputs are other people's text."""
    github = r"github\.(token|ref|repository|server_url|run_id|workspace)"
    known = rf"(matrix|steps|needs|runner)\.[\w.-]+|{github}|!cancelled\(\)"
    for workflow in WORKFLOWS.values():
        for expression in EXPRESSION.findall(json.dumps(workflow)):
            for part in re.split(r"&&|!=|==", expression):
                bare = re.sub(r"fromJSON\((.*)\)", r"\1", part.strip())
                assert re.fullmatch(
                    rf"{known}|secrets\.HEARTBEAT_URL|'\w*'|'refs/heads/main'|hashFiles\('[\w./*-]+'\)", bare
                ), expression


def test_no_workflow_runs_a_strangers_code_with_rights() -> None:
    for workflow in WORKFLOWS.values():
        # YAML reads the key `on` as true.
        assert not set(workflow[True]) & {"pull_request_target", "workflow_run", "issue_comment", "issues"}


@pytest.mark.skipif(not (shutil.which("bash") and shutil.which("jq")), reason="the step needs bash and jq")
def test_the_job_matrix_is_the_columns_of_this_project(tmp_path: Path) -> None:
    nox = tmp_path / "nox"
    nox.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m nox "$@"\n', encoding="utf-8")
    nox.chmod(0o755)
    step = next(step for step in WORKFLOWS["matrix"]["jobs"]["list"]["steps"] if step.get("id") == "list")
    environ = {**os.environ, "GITHUB_OUTPUT": str(tmp_path / "output"), "PYTHONPATH": str(ROOT / "src")}
    environ["PATH"] = f"{tmp_path}{os.pathsep}{environ['PATH']}"
    subprocess.run(["bash", *BASH, step["run"]], cwd=ROOT, env=environ, check=True, capture_output=True)
    name, _, listed = (tmp_path / "output").read_text(encoding="utf-8").strip().partition("=")
    assert name == "versions"
    assert json.loads(listed) == version_ids(ROOT / "matrix.yaml")
    assert len(json.loads(listed)) <= 256, "GitHub starts no more jobs than this from one matrix"


def test_the_tests_workflow_runs_what_the_readme_says() -> None:
    runs = [step["run"] for job in WORKFLOWS["tests"]["jobs"].values() for step in job["steps"] if "run" in step]
    assert runs == [".ci/run"]


def test_the_artifact_is_the_store() -> None:
    column, report = (WORKFLOWS["matrix"]["jobs"][id]["steps"] for id in ("column", "report"))
    given = next(step["with"] for step in column if "upload-artifact" in step.get("uses", ""))
    taken = next(step["with"] for step in report if "download-artifact" in step.get("uses", ""))
    assert given["path"] == ".compatmatrix/results.sqlite*"
    # The state directory's name begins with a dot, and what is hidden is left out unless asked for.
    assert given["include-hidden-files"] is True
    assert given["name"].startswith(taken["pattern"].removesuffix("*"))


def test_a_run_counts_as_overdue_only_after_the_next_one_was_due() -> None:
    (schedule,) = WORKFLOWS["matrix"][True]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \d", schedule["cron"]), "once a week"
    days = yaml.safe_load((ROOT / "matrix.yaml").read_text(encoding="utf-8"))["policy"]["overdue_after_days"]
    assert 7 < days < 14


def test_a_command_that_fails_in_a_pipe_fails_its_step(tmp_path: Path) -> None:
    for name in ("matrix", "heartbeat"):
        assert WORKFLOWS[name]["defaults"] == {"run": {"shell": "bash"}}
    (tmp_path / "nox").write_text("#!/bin/sh\necho '[]'\nexit 1\n", encoding="utf-8")
    (tmp_path / "nox").chmod(0o755)
    step = next(step for step in WORKFLOWS["matrix"]["jobs"]["list"]["steps"] if step.get("id") == "list")
    environ = {"GITHUB_OUTPUT": str(tmp_path / "output"), "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    assert subprocess.run(["bash", *BASH, step["run"]], env=environ, check=False, capture_output=True).returncode


@pytest.mark.parametrize(("name", "id"), MAY_WRITE)
def test_what_writes_does_so_from_the_published_branch_only(name: str, id: str) -> None:
    assert "github.ref == 'refs/heads/main'" in WORKFLOWS[name]["jobs"][id]["if"]
    assert "main" in WORKFLOWS[name][True]["push"]["branches"]


def test_the_page_is_handed_over_before_the_issue_is_decided_about() -> None:
    steps = [step.get("name") or step.get("uses", "") for step in WORKFLOWS["matrix"]["jobs"]["report"]["steps"]]
    page = next(index for index, name in enumerate(steps) if "upload-pages-artifact" in name)
    assert page < steps.index("Decide about the tracking issue")
    # Where deciding fails, the job has failed; the page is there all the same.
    assert "!cancelled() && needs.report.outputs.page != ''" in WORKFLOWS["matrix"]["jobs"]["publish"]["if"]
