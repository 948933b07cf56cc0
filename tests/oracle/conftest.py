"""Counts what the suite found, and prints the two rates at the end."""

import importlib.util
import os
from dataclasses import dataclass, field

import pytest

# Runs inside a column's environment.
collect_ignore = [] if importlib.util.find_spec("torch") else ["test_oracle.py"]

os.environ.setdefault("HF_HUB_OFFLINE", "1")


@dataclass
class Tally:
    """Names of tests, by what came out."""

    found: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)
    right: list[str] = field(default_factory=list)
    alarmed: list[str] = field(default_factory=list)
    by_outputs: int = 0


_TALLY = pytest.StashKey[Tally]()


@pytest.fixture(scope="session")
def tally(pytestconfig: pytest.Config) -> Tally:
    return pytestconfig.stash.setdefault(_TALLY, Tally())


def _rate(part: int, whole: int) -> str:
    return f"{part} of {whole} ({100 * part / whole:.1f} %)" if whole else "none was tried"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    counts = config.stash.get(_TALLY, None)
    if counts is None:
        return
    terminalreporter.section("the oracle")
    planted = len(counts.found) + len(counts.missed)
    terminalreporter.line(f"planted faults found:     {_rate(len(counts.found), planted)}")
    terminalreporter.line(f"  by the outputs alone:   {_rate(counts.by_outputs, planted)}")
    terminalreporter.line(f"plain loads called wrong: {_rate(len(counts.alarmed), len(counts.alarmed + counts.right))}")
    for title, names in (("not found", counts.missed), ("raised, not counted", counts.raised)):
        if names:
            terminalreporter.line(f"{title}: {', '.join(names)}")
