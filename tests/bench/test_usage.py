"""The meter: what a command costs, with everything that it started and waited for."""

import sys
from pathlib import Path

import pytest

from benchmarks.usage import spend, surroundings

BURN = "import time\nwhile time.process_time() < {seconds}: pass\n"
#: A process that does nothing itself, and waits for one that burns the processor and takes memory.
NESTED = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BURN.format(seconds=0.4)!r}])\n"


def test_the_time_of_descendants_counts(tmp_path: Path) -> None:
    used = spend([sys.executable, "-c", NESTED], cwd=tmp_path, log=tmp_path / "log")
    assert used.processor >= 0.4
    assert used.wall >= 0.4


def test_waiting_costs_no_processor_time(tmp_path: Path) -> None:
    used = spend([sys.executable, "-S", "-c", "import time; time.sleep(0.5)"], cwd=tmp_path, log=tmp_path / "log")
    assert used.processor < 0.5 <= used.wall


def test_memory_is_the_peak_of_the_largest_process(tmp_path: Path) -> None:
    used = spend([sys.executable, "-c", "b = bytearray(150 << 20)"], cwd=tmp_path, log=tmp_path / "log")
    assert 150 << 20 < used.memory < 400 << 20


def test_a_command_that_fails_ends_everything_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('last words'); raise SystemExit(3)"]
    with pytest.raises(SystemExit, match=r"ended with 3(.|\n)*last words"):
        spend(command, cwd=tmp_path, log=tmp_path / "log")
    assert spend(command, cwd=tmp_path, log=tmp_path / "log", statuses=(0, 3)).wall > 0


def test_what_is_measured_writes_its_byte_code_as_it_does_for_a_user() -> None:
    assert surroundings({"PYTHONDONTWRITEBYTECODE": "1", "NOX_X": "1", "PATH": "/bin"}) == {"PATH": "/bin"}
