"""Columns on a real cluster: the same results as here, each stored once, whatever dies on the way."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil
import pytest

from compatmatrix import __version__
from compatmatrix.errors import Exit
from compatmatrix.results import CellResult, Run
from compatmatrix.store import STORE
from tests.cluster.conftest import Cluster, Hold, wait_for
from tests.e2e.conftest import ROOT, Project
from tests.own.test_roots import installed

MORE = '''\
from compatprobe import Cell, scenario


@scenario(title="one more")
def more(cell: Cell) -> None:
    """It was added later."""
    cell.check("value", 0, 0)
'''


def releases(*numbers: str) -> list[dict[str, Any]]:
    return [{"id": number, "sources": [{"pypi": number}]} for number in numbers]


def on(cluster: Cluster, *more: str) -> tuple[str, ...]:
    return ("--executor", "dask", "--scheduler", cluster.address, *more)


def stored(project: Project) -> list[tuple[str, str]]:
    """(version, cell) of every row in the one store, as often as it is there."""
    with closing(sqlite3.connect(project.directory / ".compatmatrix" / STORE)) as db:
        return sorted(db.execute("SELECT version, cell FROM results").fetchall())


def said(row: CellResult) -> dict[str, Any]:
    """All that a row says, but for what no two measurements share."""
    return row.model_dump(exclude={"seconds", "steps", "peak_memory", "measured_at"})


def told_until(process: subprocess.Popen[str], enough: Callable[[str], object]) -> str:
    """What a command prints, until that is enough. What was read ahead of it is lost to ``communicate``."""
    assert process.stdout is not None
    told = ""
    while not enough(told):
        line = process.stdout.readline()
        assert line, told
        told += line
    return told


def test_a_cluster_says_what_this_machine_says_and_it_is_stored_once(
    project: Project, cluster: Cluster, hold: Hold
) -> None:
    project.write_matrix(releases("1.0.0", "1.0.1", "1.1.2"))
    cluster.worker("a")
    cluster.worker("b")
    process = cluster.client(project, "run")
    # Dask looks once a second whether a worker has nothing to do: shorter columns may all be run by the same one.
    output = told_until(process, lambda told: {"begun on a", "begun on b"} <= set(re.findall("begun on [ab]", told)))
    hold.let_go()
    output += process.communicate(timeout=120)[0]
    assert process.returncode == Exit.REGRESSED, output
    assert "3 columns, 4 cells each; on tcp://127.0.0.1" in output
    assert "[3/3]" in output
    assert "to go, about" in output
    run = project.latest()
    cells = ["tiny/card", "tiny/hold", "tiny/load[mapped]", "tiny/load[plain]"]
    assert stored(project) == [(version, cell) for version in ("1.0.0", "1.0.1") for cell in cells]
    assert all(column.machine and column.machine.cpus == os.cpu_count() for column in run.columns)
    assert not cluster.left(), "a worker keeps nothing"

    project.run("compatmatrix", "run", "--state", "here", "--output", "here/reports")
    here = Run.from_json((project.directory / "here" / "reports" / "latest.json").read_bytes())
    assert [said(row) for row in run.results] == [said(row) for row in here.results]
    assert [column.lock_hash for column in run.columns] == [column.lock_hash for column in here.columns]

    # What is known is not measured again, on no machine, where the lock is the same.
    measured = {(row.version, row.cell): row.measured_at for row in run.results}
    (project.directory / "scenarios" / "tiny" / "more.py").write_text(MORE)
    status, output = project.run("compatmatrix", "run", *on(cluster))
    again = {(row.version, row.cell): row.measured_at for row in project.latest().results}
    assert {key: again[key] for key in measured} == measured
    assert len(stored(project)) == 10, output
    status, output = project.run("compatmatrix", "sweep", ">=1.0.0,<1.0.2", *on(cluster))
    assert status == 0, output
    assert "0 columns to run, 2 known; on tcp://127.0.0.1" in output


def test_a_worker_has_the_roots_of_the_client_and_no_other(project: Project, cluster: Cluster, tmp_path: Path) -> None:
    """Neither the shipped scenarios, which have a family of the same name, nor those of a package beside the worker."""
    project.write_matrix(releases("1.0.0"), timeout_seconds=21)
    shutil.move(project.directory / "scenarios" / "tiny", project.directory / "scenarios" / "llama")
    own = project.directory / "my_model.py"
    own.write_text(MORE)
    (project.directory / "mine" / "further").mkdir(parents=True)
    (project.directory / "mine" / "further" / "__init__.py").write_text("WARM = ()\n")
    (project.directory / "mine" / "further" / "more.py").write_text(MORE)
    site = installed(tmp_path, {"acme/__init__.py": "", "acme/my_model.py": MORE}, "acme.my_model")
    cluster.worker("a", PYTHONPATH=f"{project.environ['PYTHONPATH']}{os.pathsep}{site}")
    command = ("--scenarios", "mine", "--scenarios", "my_model.py")
    status, output = project.run("compatmatrix", "run", *command, *on(cluster))
    assert status == 0, output
    cells = ["further/more", "llama/card", "llama/load[mapped]", "llama/load[plain]", "my-model/more"]
    assert stored(project) == [("1.0.0", cell) for cell in cells]
    measured = {row.cell: row.key for row in project.latest().results}
    assert sorted(measured) == cells
    status, output = project.run("compatmatrix", "sweep", "==1.0.0", *command, *on(cluster))
    assert "0 columns to run, 1 known" in output, output
    own.write_text(MORE.replace("more(", "other("))
    project.run("compatmatrix", "run", *command, *on(cluster))
    again = {row.cell: row.key for row in project.latest().results}
    assert measured.items() - again.items() == {("my-model/more", measured["my-model/more"])}


def test_the_column_of_a_worker_that_dies_is_run_again_elsewhere(
    project: Project, cluster: Cluster, hold: Hold
) -> None:
    project.write_matrix(releases("1.0.1"))
    cluster.worker("a", nanny=True)
    cluster.worker("b", nanny=True)
    process = cluster.client(project, "run")
    victim = "a" if "/cluster/a/" in hold.wait() else "b"
    doomed = cluster.columns()
    assert doomed
    cluster.kill(victim)
    wait_for(lambda: not set(doomed) & set(cluster.columns()))
    hold.let_go()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == Exit.REGRESSED, output
    other = "b" if victim == "a" else "a"
    assert f"1.0.1  begun on {victim}" in output
    assert f"1.0.1  its worker was lost; begun again on {other}" in output
    assert "trying again" not in output, "Dask did it"
    assert project.outcomes() == {"1.0.1": ["pass", "pass", "wrong", "skipped"]}
    cells = ["tiny/card", "tiny/hold", "tiny/load[mapped]", "tiny/load[plain]"]
    assert stored(project) == [("1.0.1", cell) for cell in cells]


def test_a_column_that_needs_a_card_is_run_where_there_is_one(project: Project, cluster: Cluster) -> None:
    project.write_matrix(releases("1.0.0"))
    cluster.worker("plain")
    cluster.worker("gpu", "--resources", "GPU=1,memory=8e9")
    command = ("compatmatrix", "sweep", ">=1.0.0,<1.0.2", *on(cluster))
    status, output = project.run(*command, "--worker-resources", "GPU=2")
    assert status == Exit.INFRASTRUCTURE
    assert output.count("none of the 2 workers offers GPU=2") == 1, output
    assert "dask worker ... --resources GPU=2" in output
    status, output = project.run(*command, "--worker-resources", "GPU=1,memory=4e9")
    assert status == 0, output
    assert "1 of 2 workers offer what is asked for" in output
    assert [line.split()[-1] for line in output.splitlines() if "  begun on " in line] == ["gpu", "gpu"]


def test_a_worker_with_another_program_is_named_and_runs_nothing(
    project: Project, cluster: Cluster, tmp_path: Path
) -> None:
    changed, lacking = tmp_path / "changed", tmp_path / "lacking"
    shutil.copytree(ROOT / "src", changed, ignore=shutil.ignore_patterns("__pycache__"))
    with (changed / "compatprobe" / "api.py").open("a") as file:
        file.write("# changed\n")
    (lacking / "compatmatrix").mkdir(parents=True)
    (lacking / "compatmatrix" / "__init__.py").write_text("")
    project.write_matrix(releases("1.0.0"))
    process = cluster.client(project, "run")
    told_until(process, lambda told: "no worker has joined the scheduler yet" in told)
    cluster.worker("late", PYTHONPATH=str(changed))
    output, _ = process.communicate(timeout=120)
    _is_refused(process.returncode, output, f"the worker late has compatmatrix {__version__} (")
    cluster.worker("lacking", PYTHONPATH=str(lacking))
    status, output = project.run("compatmatrix", "run", *on(cluster))
    _is_refused(status, output, f"has compatmatrix {__version__} (")
    assert "has no compatmatrix, or another one: " in output
    old = Cluster(tmp_path / "old", {**project.environ, "PYTHONPATH": str(lacking)})
    old.directory.mkdir()
    try:
        old.start()
        _is_refused(*project.run("compatmatrix", "run", *on(old)), "the scheduler has no compatmatrix")
    finally:
        old.stop()
    assert stored(project) == []


def _is_refused(status: int, output: str, told: str) -> None:
    assert status == Exit.INFRASTRUCTURE, output
    assert output.count(told) == 1, output
    assert "next: install the same compatmatrix[dask]" in output
    assert "Traceback" not in output


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupt_leaves_nothing_running_on_the_workers(
    project: Project, cluster: Cluster, hold: Hold, kill: int
) -> None:
    project.write_matrix(releases("1.0.0"), timeout_seconds=600, no_progress_seconds=600)
    project.environ["ANYBODYS_TOKEN"] = "xyzzy"
    cluster.worker("a")
    process = cluster.client(project, "run")
    hold.wait()
    assert cluster.left()
    assert not any("xyzzy" in "".join(each.environ().values()) for each in below(cluster.processes["a"].pid))
    os.kill(process.pid, kill)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == (Exit.INTERRUPTED if kill == signal.SIGINT else -kill), output
    assert "Traceback" not in output
    wait_for(lambda: not cluster.columns())
    wait_for(lambda: not cluster.left())
    hold.let_go()
    status, output = project.run("compatmatrix", "run", *on(cluster))
    assert status == 0, output


def below(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_a_scheduler_that_goes_away_ends_the_run(project: Project, cluster: Cluster, hold: Hold) -> None:
    project.write_matrix(releases("1.0.0"))
    cluster.worker("a")
    process = cluster.client(project, "run")
    hold.wait()
    cluster.kill("scheduler")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == Exit.INFRASTRUCTURE, output
    assert "the scheduler went away" in output
    wait_for(lambda: not cluster.columns())


def test_what_cannot_be_begun_is_one_clear_message(project: Project, tmp_path: Path) -> None:
    project.write_matrix(releases("1.0.0"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nowhere = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        for options, exit, told in (
            (["--executor", "dask"], Exit.INPUT, "next: name it: --scheduler"),
            (["--scheduler", nowhere], Exit.INPUT, "add --executor dask"),
            (["--executor", "dask", "--scheduler", "somewhere"], Exit.INPUT, "write it as tcp://HOST:PORT"),
            (["--executor", "dask", "--scheduler", nowhere], Exit.INFRASTRUCTURE, f"scheduler at {nowhere} cannot be"),
        ):
            status, output = project.run("compatmatrix", "run", *options)
            assert (status, output.count(told)) == (exit, 1), output
            assert "Traceback" not in output
    (tmp_path / "distributed.py").write_text("raise ModuleNotFoundError('no', name='distributed')\n")
    project.environ["PYTHONPATH"] = os.pathsep.join([str(tmp_path), project.environ["PYTHONPATH"]])
    status, output = project.run("compatmatrix", "run", "--executor", "dask", "--scheduler", nowhere)
    assert status == Exit.INFRASTRUCTURE
    assert "next: pip install 'compatmatrix[dask]'" in output
