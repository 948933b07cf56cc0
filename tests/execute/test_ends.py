"""Every way in which a cell can end, seen from outside."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from compatmatrix.errors import InfrastructureError
from compatmatrix.execute import Limits, Probe
from compatmatrix.execute.processes import _is_marked, descendants
from tests.fixtures.environments import FAILING, PROBE
from tests.fixtures.scenarios_failing.ends.resources import KINDS

MIB = 1 << 20
LIMITS = Limits(timeout=20, no_progress=10, memory=0)
SHORT = Limits(timeout=0.6, memory=0)


@pytest.fixture(params=["fork", "spawn"])
def probe(request: pytest.FixtureRequest) -> Probe:
    """Both kinds of isolation must give the same answers."""
    found: Probe = request.getfixturevalue({"fork": "forking", "spawn": "spawning"}[request.param])
    return found


def test_a_process_that_ends_by_itself(probe: Probe) -> None:
    ended = probe.run("ends/exits", LIMITS)
    assert (ended.how, ended.number, ended.record) == ("exited", 3, None)
    assert ended.record_error == "left no record"
    assert ended.log == "last words\n"


def test_a_crash_is_a_signal_with_a_traceback_in_the_log(probe: Probe) -> None:
    ended = probe.run("ends/segfaults", LIMITS)
    assert (ended.how, ended.number, ended.record) == ("signal", signal.SIGSEGV, None)
    assert "Segmentation fault" in ended.log
    assert "in segfaults" in ended.log


@pytest.mark.parametrize("cell", ["ends/hangs", "ends/sleeps"])
def test_the_hard_timeout(probe: Probe, cell: str) -> None:
    ended = probe.run(cell, SHORT if probe.ready.threads else LIMITS)
    assert (ended.how, ended.record) == ("timeout", None)
    assert 0.6 < ended.seconds < 2.5


def test_standing_still_is_noticed_before_the_timeout(forking: Probe) -> None:
    ended = forking.run("ends/sleeps", Limits(timeout=20, no_progress=0.4))
    assert ended.how == "no-progress"
    assert 0.4 < ended.seconds < 2.5


def test_steps_and_output_count_as_progress(forking: Probe) -> None:
    ended = forking.run("ends/slow", Limits(timeout=20, no_progress=0.6))
    assert ended.how == "exited"
    assert ended.record is not None


def test_memory_of_one_process_fails_as_an_allocation(forking: Probe) -> None:
    ended = forking.run("ends/eats[private]", Limits(timeout=20, memory=200 * MIB))
    assert ended.record is not None
    assert ended.record["exception"]["type"] == "builtins.MemoryError"


@pytest.mark.parametrize("kind", ["shared", "children"])
def test_memory_of_all_processes_is_capped(forking: Probe, kind: str) -> None:
    ended = forking.run(f"ends/eats[{kind}]", Limits(timeout=20, memory=300 * MIB))
    assert (ended.how, ended.record) == ("memory", None)
    assert 300 * MIB < ended.peak_memory < 1600 * MIB


def test_a_long_log_keeps_its_beginning_and_its_end(forking: Probe) -> None:
    ended = forking.run("ends/prints", Limits(timeout=20, log=10_000))
    assert ended.log.startswith("the beginning\n")
    assert ended.log.endswith("the end\n")
    assert len(ended.log) < 10_100
    assert f"[... {100 * MIB + 22 - 10_000} bytes left out ...]" in ended.log


@pytest.mark.parametrize("then", ["ends", "hangs", "dies"])
def test_nothing_is_left_behind(forking: Probe, then: str) -> None:
    ended = forking.run(f"ends/orphans[{then}]", SHORT)
    assert ended.how == {"ends": "exited", "hangs": "timeout", "dies": "signal"}[then]
    assert zygote_of(forking).children(recursive=True) == []
    if then == "ends":
        assert ended.log.endswith("[killed what was still running: processes: 4]\n")


def zygote_of(probe: Probe) -> psutil.Process:
    assert probe._zygote is not None
    return psutil.Process(probe._zygote.pid)


@pytest.mark.parametrize("kind", KINDS)
def test_a_spoilt_record_is_an_error_not_an_exception(forking: Probe, kind: str) -> None:
    ended = forking.run(f"ends/spoils[{kind}]", LIMITS)
    assert (ended.how, ended.number, ended.record) == ("exited", 0, None)
    assert ended.record_error.startswith("the record")


def test_nothing_that_a_cell_left_stays_on_disk(python: Path, tmp_path: Path) -> None:
    with Probe(python, PROBE, [FAILING], tmp_path / "slot") as probe:
        assert "last words" in probe.run("ends/exits", LIMITS).log
        assert (tmp_path / "slot" / "out" / "log").exists()
    assert list((tmp_path / "slot").iterdir()) == []


def test_a_spoilt_slot_does_not_harm_the_next_cell(forking: Probe) -> None:
    forking.run("ends/spoils[directory]", LIMITS)
    assert forking.run("good/passes[one,a]", LIMITS).record is not None


def test_closed_descriptors_harm_nobody(probe: Probe) -> None:
    ended = probe.run("ends/closes", LIMITS)
    assert (ended.how, ended.number) == ("exited", 0)
    assert ended.record is not None


@pytest.mark.parametrize("isolation", ["fork", "spawn"])
def test_a_killed_zygote_loses_one_cell(python: Path, tmp_path: Path, isolation: str) -> None:
    with Probe(
        python, PROBE, [FAILING], tmp_path, isolation=isolation, environ={"LC_COMPATPROBE_TEST": str(tmp_path)}
    ) as probe:
        ended = probe.run("ends/patricide", LIMITS)
        assert (ended.how, ended.record) == ("lost", None)
        assert started_with("LC_COMPATPROBE_TEST", str(tmp_path)) == []
        assert probe.run("good/passes[one,a]", LIMITS).record is not None
        os.kill(zygote_of(probe).pid, signal.SIGKILL)  # between two cells
        assert probe.run("good/passes[one,b]", LIMITS).record is not None
    assert started_with("LC_COMPATPROBE_TEST", str(tmp_path)) == []


def test_a_probe_closes_fast_even_while_a_cell_runs(python: Path, tmp_path: Path) -> None:
    with Probe(python, PROBE, [FAILING], tmp_path, environ={"LC_COMPATPROBE_TEST": str(tmp_path)}) as probe:
        assert probe._zygote is not None
        probe._zygote.send(cell="ends/orphans[hangs]", memory=0, log=1000)
        time.sleep(0.3)
        start = time.monotonic()
    assert time.monotonic() - start < 1
    assert started_with("LC_COMPATPROBE_TEST", str(tmp_path)) == []


def test_a_stopped_zygote_is_killed_within_a_second(python: Path, tmp_path: Path) -> None:
    with Probe(python, PROBE, [FAILING], tmp_path, environ={"LC_COMPATPROBE_TEST": str(tmp_path)}) as probe:
        assert probe._zygote is not None
        probe._zygote.send(cell="ends/orphans[hangs]", memory=0, log=1000)
        time.sleep(0.3)
        zygote_of(probe).suspend()
        start = time.monotonic()
    assert time.monotonic() - start < 1.5
    assert started_with("LC_COMPATPROBE_TEST", str(tmp_path)) == []


@pytest.mark.parametrize("whom", ["child", "zygote"])
def test_what_was_stopped_from_outside_is_lost_and_has_not_hung(python: Path, tmp_path: Path, whom: str) -> None:
    with Probe(python, PROBE, [FAILING], tmp_path, environ={"LC_COMPATPROBE_TEST": str(tmp_path)}) as probe:
        zygote = zygote_of(probe)

        def stop() -> None:
            while not zygote.children():
                time.sleep(0.01)
            (zygote.children()[0] if whom == "child" else zygote).suspend()

        with ThreadPoolExecutor() as pool:
            pool.submit(stop)
            ended = probe.run("ends/sleeps", Limits(timeout=20, no_progress=0.6))
        assert (ended.how, ended.record_error) == ("lost", "it was stopped by a signal")
        assert probe.run("good/passes[one,a]", LIMITS).record is not None
    assert started_with("LC_COMPATPROBE_TEST", str(tmp_path)) == []


def _remove_soon(directory: Path) -> None:
    time.sleep(0.3)
    shutil.rmtree(directory)


def test_a_cell_whose_directory_is_removed_is_lost(python: Path, tmp_path: Path) -> None:
    with Probe(python, PROBE, [FAILING], tmp_path / "slot") as probe, ThreadPoolExecutor() as pool:
        removed = pool.submit(_remove_soon, tmp_path / "slot")
        ended = probe.run("ends/sleeps", SHORT)
        removed.result()
        assert (ended.how, ended.record_error) == ("lost", "the directory that it ran in is gone")
        assert probe.run("good/passes[one,a]", LIMITS).record is not None


def test_a_cell_that_cannot_be_started_is_nobodys_crash(python: Path, tmp_path: Path) -> None:
    with Probe(python, PROBE, [FAILING], tmp_path) as probe:
        assert probe.run("good/passes[one,a]", LIMITS).record  # it serves: what it needs for itself is open
        resource.prlimit(zygote_of(probe).pid, resource.RLIMIT_NOFILE, (3, 3))
        with pytest.raises(InfrastructureError, match=r"good/passes\[one,a\] could not be started: OSError"):
            probe.run("good/passes[one,a]", LIMITS)


def started_with(name: str, value: str) -> list[int]:
    """The processes that were started with this variable."""
    return [process.pid for process in psutil.process_iter() if _is_marked(process, name, value)]


def test_a_process_that_ends_while_it_is_looked_at_has_no_children(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    assert list(descendants(ended.pid)) == []
    monkeypatch.setattr(os, "listdir", lambda _: ["0"])  # a thread that was there when they were listed
    assert list(descendants(os.getpid())) == []
