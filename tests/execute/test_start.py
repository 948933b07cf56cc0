"""Environments that do not work, and hosts that go away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from compatmatrix.errors import StorageError
from compatmatrix.execute import Limits, Probe, ProbeStartError, Stopped
from tests.execute.test_ends import started_with
from tests.fixtures.environments import FAILING, PROBE, make_environment

ISOLATIONS = ("fork", "spawn")


def test_what_the_environment_says_of_itself(forking: Probe, spawning: Probe) -> None:
    for probe in (forking, spawning):
        assert probe.ready.versions["torch"] == "9.9.9+fake"
        assert list(probe.ready.imports)[:3] == ["torch", "transformers", "accelerate"]
        assert "transformers.modeling_utils" in probe.ready.not_warmed


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise ImportError('no such symbol')", "importing transformers failed: builtins.ImportError: no such symbol"),
        ("raise SystemExit(0)", "importing transformers failed: builtins.SystemExit: 0"),
        ("import ctypes; ctypes.string_at(0)", "the process died"),
    ],
)
def test_a_library_that_cannot_be_imported(tmp_path: Path, source: str, message: str, isolation: str) -> None:
    python = make_environment(tmp_path / "venv", transformers=f"print('words')\n{source}\n")
    with (
        pytest.raises(ProbeStartError) as caught,
        Probe(python, PROBE, [FAILING], tmp_path / "slot", isolation=isolation),
    ):
        pass
    assert caught.value.message.startswith(message)
    assert caught.value.reason == "import-failed"
    assert ("Traceback" in caught.value.traceback) is ("failed" in message)
    if isolation == "fork" and message == "the process died":
        assert caught.value.message == "the process died (signal 11) while it imported transformers"


def test_an_import_that_hangs(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "venv", accelerate="import time; time.sleep(1000)")
    with (
        pytest.raises(ProbeStartError, match="importing accelerate took more than 1 s"),
        Probe(
            python, PROBE, [FAILING], tmp_path / "slot", start_timeout=1, environ={"LC_COMPATPROBE_TEST": str(tmp_path)}
        ),
    ):
        pass
    assert started_with("LC_COMPATPROBE_TEST", str(tmp_path)) == []


def test_no_interpreter(tmp_path: Path) -> None:
    with pytest.raises(ProbeStartError) as caught, Probe(tmp_path / "none", PROBE, [FAILING], tmp_path / "slot"):
        pass
    assert caught.value.reason == "interpreter-missing"


HOST = """
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from compatmatrix.execute import Limits, Probe
python, probe, root, slot, mark, cell = sys.argv[1:]
with Probe(Path(python), Path(probe), [Path(root)], Path(slot), environ={"LC_COMPATPROBE_TEST": mark}) as probe:
    print("ready", flush=True)
    probe.run(cell, Limits(timeout=100))
"""


def host(python: Path, tmp_path: Path, cell: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOST, *map(str, (python, PROBE, FAILING, tmp_path / "slot", tmp_path)), cell]
    environ = {**os.environ, "PYTHONPATH": str(PROBE.parent)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_when_the_host_ends_everything_ends(python: Path, tmp_path: Path, number: signal.Signals) -> None:
    with host(python, tmp_path, "ends/orphans[hangs]") as process:
        assert process.stdout is not None
        process.stdout.readline()
        wait_until(lambda: len(started_with("LC_COMPATPROBE_TEST", str(tmp_path))) >= 6)
        start = time.monotonic()
        process.send_signal(number)
        process.wait(5)
        wait_until(lambda: not started_with("LC_COMPATPROBE_TEST", str(tmp_path)))
        assert time.monotonic() - start < 2


def test_a_host_that_dies_during_the_imports(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "venv", torch="while True: pass")
    with host(python, tmp_path, "-") as process:
        out = tmp_path / "slot" / "out"
        wait_until(out.exists)
        time.sleep(0.2)
        assert len(started_with("LC_COMPATPROBE_TEST", str(tmp_path))) == 1
        process.kill()
        wait_until(lambda: not started_with("LC_COMPATPROBE_TEST", str(tmp_path)))


def wait_until(condition: object, seconds: float = 5.0) -> None:
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def test_many_probes_at_once(python: Path, tmp_path: Path) -> None:
    with (
        Probe(python, PROBE, [FAILING], tmp_path / "a") as first,
        Probe(python, PROBE, [FAILING], tmp_path / "b") as second,
    ):
        for probe in (first, second, first):
            assert probe.run("good/passes[one,a]", Limits(timeout=20)).record is not None
        assert psutil.Process().children()


def stopped_soon(stop: threading.Event, delay: float, act: Callable[[], object]) -> float:
    """Ask for a stop after a while, in which something is done that takes long; seconds from there to its end."""
    asked: list[float] = []

    def ask() -> None:
        asked.append(time.monotonic())
        stop.set()

    timer = threading.Timer(delay, ask)
    timer.start()
    with pytest.raises(Stopped):
        act()
    timer.join()
    return time.monotonic() - asked[0]


def test_a_cell_that_another_thread_puts_an_end_to(python: Path, tmp_path: Path) -> None:
    stop, mark = threading.Event(), {"LC_COMPATPROBE_TEST": str(tmp_path)}
    with Probe(python, PROBE, [FAILING], tmp_path / "slot", environ=mark, stop=stop) as probe:
        assert stopped_soon(stop, 0.5, lambda: probe.run("ends/hangs", Limits(timeout=100))) < 0.5
    assert not started_with("LC_COMPATPROBE_TEST", str(tmp_path))


def test_a_cell_that_is_ended_by_what_is_called_while_it_runs(python: Path, tmp_path: Path) -> None:
    calls, mark = iter(range(100)), {"LC_COMPATPROBE_TEST": str(tmp_path)}

    def heard() -> None:
        if next(calls) == 3:
            raise StorageError("the disk is full")

    with (
        pytest.raises(StorageError, match="full"),
        Probe(python, PROBE, [FAILING], tmp_path / "slot", environ=mark, heard=heard) as probe,
    ):
        probe.run("ends/hangs", Limits(timeout=100))
    assert next(calls) == 4
    assert not started_with("LC_COMPATPROBE_TEST", str(tmp_path))


def test_imports_that_another_thread_puts_an_end_to(tmp_path: Path) -> None:
    python, stop = make_environment(tmp_path / "venv", torch="while True: pass"), threading.Event()
    probe = Probe(python, PROBE, [FAILING], tmp_path / "slot", stop=stop)
    assert stopped_soon(stop, 0.5, probe.__enter__) < 2


def test_a_cell_whose_zygote_does_not_answer_that_another_thread_puts_an_end_to(python: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    with Probe(python, PROBE, [FAILING], tmp_path / "slot", stop=stop) as probe:
        zygote = probe._zygote
        assert zygote is not None
        threading.Timer(0.3, lambda: os.kill(zygote.pid, signal.SIGSTOP)).start()
        assert stopped_soon(stop, 1.5, lambda: probe.run("ends/hangs", Limits(timeout=0.6))) < 0.5
