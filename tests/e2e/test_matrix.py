"""The main job, end to end: the real noxfile, real environments, real processes, tiny packages."""

import contextlib
import os
import shutil
import signal
import sqlite3
import time
from typing import Any

import pytest

from compatmatrix.results import News
from tests.e2e.conftest import Project

LOST = "file:///nowhere/compatmatrix-test-remote"


def release(number: str, id: str | None = None) -> dict[str, Any]:
    return {"id": id or number, "sources": [{"pypi": number}]}


def test_every_outcome_in_one_matrix(project: Project) -> None:
    project.write_matrix(
        [
            release("1.0.0", "passes"),
            release("1.0.1", "wrong"),
            release("1.0.2", "raises"),
            release("1.0.3", "segfaults"),
            release("1.0.4", "hangs"),
            release("1.0.5", "eats-memory"),
            release("1.0.6", "exits"),
            release("1.0.7", "chatters"),
            release("1.1.0", "lacks-api"),
            release("1.1.1", "cannot-import"),
            release("1.1.2", "conflicts"),
            release("9.9.9", "no-release"),
            {
                "id": "lost-git",
                "sources": [{"git": LOST, "commit": "0" * 40}],
                "substitute": {"pypi": "1.0.0", "why": "the nearest release"},
            },
            {"id": "lost-forever", "sources": [{"git": LOST, "branch": "main"}]},
        ]
    )
    status, output = project.run("nox", "-s", "matrix")
    assert status == 1, output
    assert project.outcomes() == {
        "passes": ["pass", "pass", "skipped"],
        "wrong": ["pass", "wrong", "skipped"],
        "raises": ["fail", "fail", "skipped"],
        "segfaults": ["crash", "crash", "skipped"],
        "hangs": ["timeout", "timeout", "skipped"],
        "eats-memory": ["oom", "oom", "skipped"],
        "exits": ["crash", "crash", "skipped"],
        "chatters": ["pass", "pass", "skipped"],
        "lacks-api": ["unsupported", "unsupported", "skipped"],
        "cannot-import": ["env-fail"] * 3,
        "conflicts": ["env-fail"] * 3,
        "no-release": ["env-fail"] * 3,
        "lost-git": ["pass", "pass", "skipped"],
        "lost-forever": ["env-fail"] * 3,
    }, output
    run = project.latest()
    columns = {column.version: column for column in run.columns}
    reasons = {id: column.failure.reason.value for id, column in columns.items() if column.failure}
    assert reasons == {
        "cannot-import": "import-failed",
        "conflicts": "conflict",
        "no-release": "no-such-release",
        "lost-forever": "unreachable",
    }
    substitute = columns["lost-git"].substitute
    assert substitute is not None
    assert substitute.shows == "1.0.0"
    page = (project.directory / "reports" / "index.html").read_text(encoding="utf-8")
    assert page.count("1.0.0 (for lost-git)") + page.count("shows 1.0.0") >= 1
    assert "cuda" in run.result("passes", "tiny/card").reason
    assert run.news["wrong"]["tiny/load[mapped]"] is News.NEW
    assert len(run.result("chatters", "tiny/load[plain]").log) < 200_000
    assert "exit status 3" in output
    assert project.run("compatmatrix", "report")[0] == 3


def test_a_second_run_measures_nothing_and_a_selected_one_leaves_the_report_alone(project: Project) -> None:
    project.write_matrix([release("1.0.0"), release("1.0.2")])
    status, output = project.run("nox", "-s", "matrix")
    assert (project.directory / "reports" / "latest.json").exists(), output
    measured = {(row.version, row.cell): row.measured_at for row in project.latest().results}
    time.sleep(1.1)
    status, output = project.run("nox", "-s", "matrix")
    again = {(row.version, row.cell): row.measured_at for row in project.latest().results if row.outcome != "skipped"}
    assert {key: measured[key] for key in again} == again, output
    page = (project.directory / "reports" / "latest.json").read_bytes()
    status, output = project.run("nox", "-s", "matrix", "--", "--versions", "1.0.0", "--fresh", "tiny/load[plain]")
    assert status == 0, output
    assert (project.directory / "reports" / "latest.json").read_bytes() == page
    assert (project.directory / ".compatmatrix" / "selection" / "index.html").exists()


def test_an_environment_that_no_cell_needs_is_not_built(project: Project) -> None:
    project.write_matrix([release("1.0.0")])
    assert project.run("compatmatrix", "run")[0] == 0
    before = project.latest()
    (environment,) = (project.directory / ".compatmatrix" / "environments").glob("transformers-1.0.0-*")
    shutil.rmtree(environment)
    assert project.run("compatmatrix", "run")[0] == 0
    after = project.latest()
    assert not environment.exists()
    assert after.results == before.results
    assert [column.model_copy(update={"resolved_at": None}) for column in after.columns] == [
        column.model_copy(update={"resolved_at": None}) for column in before.columns
    ]
    project.environ["CFLAGS"] = "-O0"  # what is built from sources may come out otherwise: another environment
    assert project.run("compatmatrix", "run")[0] == 0
    assert project.latest().columns[0].environment != environment.name
    del project.environ["CFLAGS"]
    assert project.run("compatmatrix", "run", "--fresh", "tiny/load[plain]")[0] == 0
    assert environment.exists()


def test_a_changed_matrix_does_not_show_columns_of_the_old_one(project: Project) -> None:
    project.write_matrix([release("1.0.0", "dev")])
    assert project.run("compatmatrix", "run")[0] == 0
    project.write_matrix([release("1.0.2", "dev")])
    status, output = project.run("compatmatrix", "report")
    assert status == 5, output
    assert project.outcomes() == {"dev": ["not-run"] * 3}


def test_a_scenario_is_not_run_from_the_byte_code_of_another_text(project: Project) -> None:
    """Python takes byte code for the source's where size and second are the same: edit, run, put back, run."""
    project.write_matrix([{"id": "1.0.0", "sources": [{"pypi": "1.0.0"}]}])
    file = project.directory / "scenarios" / "tiny" / "load.py"
    text = file.read_text(encoding="utf-8")
    seconds = int(time.time()) - 60
    for body, outcome in ((text, "pass"), (text.replace("value - 7", "value - 9"), "wrong"), (text, "pass")):
        file.write_text(body, encoding="utf-8")
        os.utime(file, (seconds, seconds))
        output = project.run("compatmatrix", "run")[1]
        assert project.outcomes() == {"1.0.0": [outcome, outcome, "skipped"]}, output


def test_two_runs_at_once_do_not_disturb_one_another(project: Project) -> None:
    project.write_matrix([release("1.0.0"), release("1.0.0", "the-same")])
    processes = [project.start("compatmatrix", "column", id) for id in ("1.0.0", "the-same", "1.0.0")]
    outputs = [process.communicate(timeout=120)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs
    assert project.run("compatmatrix", "report")[0] == 0
    assert project.outcomes() == {id: ["pass", "pass", "skipped"] for id in ("1.0.0", "the-same")}


def test_a_regression_is_news(project: Project) -> None:
    project.write_matrix([release("1.0.0", "dev")])
    assert project.run("compatmatrix", "run")[0] == 0
    project.write_matrix([release("1.0.2", "dev")])
    status, output = project.run("compatmatrix", "run")
    assert status == 3, output
    assert project.latest().news["dev"]["tiny/load[plain]"] is News.REGRESSED
    project.write_matrix([release("1.0.0", "dev")])
    assert project.run("compatmatrix", "run")[0] == 4
    assert project.latest().news["dev"]["tiny/load[plain]"] is News.FIXED


@pytest.mark.parametrize("command", [("nox", "-s", "matrix"), ("compatmatrix", "run")])
def test_ctrl_c_stops_all_and_the_next_run_goes_on(project: Project, command: tuple[str, ...]) -> None:
    project.write_matrix([release("1.0.0"), release("1.0.4")], no_progress_seconds=60, timeout_seconds=60)
    process = project.start(*command)
    _wait_for(project, 3)
    _wait_for_a_probe(project)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert time.monotonic() - began < 2, output
    assert process.returncode != 0
    time.sleep(0.3)
    assert project.processes() == []
    output = project.run("compatmatrix", "column", "1.0.0")[1]
    assert "3/3  all taken from the store" in output


def test_nothing_measured_is_lost_when_the_host_is_killed(project: Project) -> None:
    project.write_matrix([release("1.0.8")], no_progress_seconds=60, timeout_seconds=60)
    process = project.start("compatmatrix", "column", "1.0.8")
    _wait_for(project, 1)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)
    deadline = time.monotonic() + 5
    while project.processes() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert project.processes() == []
    assert project.run("compatmatrix", "report")[0] == 5
    assert project.outcomes() == {"1.0.8": ["pass", "not-run", "not-run"]}


def _wait_for(project: Project, measured: int) -> None:
    """Until so many cells are stored, however slow the machine is."""
    address = f"{(project.directory / '.compatmatrix' / 'results.sqlite').as_uri()}?mode=ro"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(address, uri=True)) as db:
            if db.execute("SELECT count(*) FROM results").fetchone()[0] >= measured:
                return
        time.sleep(0.1)
    raise AssertionError(f"{measured} cells were never measured")


def _wait_for_a_probe(project: Project) -> None:
    """Until a child is at work."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if any("compatprobe" in line and "serve" in line for line in project.processes()):
            time.sleep(1.5)
            return
        time.sleep(0.1)
    raise AssertionError("no probe came up")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("versions: [{id: x, sorces: []}]\n", "Did you mean 'sources'?"),
        ("versions: [\n", "not YAML"),
    ],
)
def test_a_typo_in_the_matrix_gives_one_clear_message(project: Project, text: str, message: str) -> None:
    (project.directory / "matrix.yaml").write_text(text, encoding="utf-8")
    for command in (("nox", "-s", "matrix"), ("compatmatrix", "run")):
        status, output = project.run(*command)
        assert status != 0
        assert output.count(message) == 1, output
        assert "Traceback" not in output


def test_an_unknown_scenario_gives_one_clear_message(project: Project) -> None:
    project.write_matrix([release("1.0.0")])
    status, output = project.run("compatmatrix", "run", "tiny/laod")
    assert status == 2
    assert "Did you mean 'tiny/load'?" in output
    assert "Traceback" not in output


def test_what_one_column_has_compiled_the_next_takes_over(project: Project) -> None:
    versions = (("one", "1.0.0"), ("two", "1.1.0"))
    project.write_matrix([{"id": id, "sources": [{"pypi": release}]} for id, release in versions])
    project.run("compatmatrix", "run", "tiny/load")
    first, second = (project.directory / ".compatmatrix" / "environments").glob(
        "*/lib/python3*/site-packages/torch/__pycache__/__init__*.pyc"
    )
    assert first.samefile(second)
