"""What records say, and that they say the same however the process was made."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from compatmatrix.classify import classify
from compatmatrix.execute import Limits, Probe
from compatmatrix.results import Outcome

LIMITS = Limits(timeout=20, no_progress=10, memory=4 << 30)
CELLS = [
    "good/passes[one,a]",
    "good/passes[two,b]",
    "good/lies",
    "good/noise",
    "good/skips",
    "good/unsupported",
    "good/unsupported-itself",
    "good/needy[moon]",
    "good/sees",
    "ends/raises",
    "ends/leaves[exit]",
    "ends/mute",
    "ends/recurses",
    "good/nowhere",
]


def record_of(probe: Probe, cell: str) -> dict[str, Any]:
    ended = probe.run(cell, LIMITS)
    assert (ended.how, ended.number, ended.record_error) == ("exited", 0, "")
    record: dict[str, Any] = ended.record
    assert ended.peak_memory >= record["peak_memory"] > 1 << 20
    return record


def without_measurements(record: dict[str, Any]) -> dict[str, Any]:
    record = copy.deepcopy(record)
    for key in ("seconds", "peak_memory"):
        del record[key]
    for step in record["steps"]:
        del step["seconds"]
    return record


@pytest.mark.parametrize("cell", CELLS)
def test_fork_and_spawn_write_the_same_record(forking: Probe, spawning: Probe, cell: str) -> None:
    forked, spawned = (without_measurements(record_of(probe, cell)) for probe in (forking, spawning))
    roots = [str(probe._workdir) for probe in (forking, spawning)]
    assert forked == eval(repr(spawned).replace(roots[1], roots[0]))


def test_a_pass(forking: Probe) -> None:
    record = record_of(forking, "good/passes[one,a]")
    assert record["status"] == "done"
    assert record["checks"] == [
        {"name": "difference", "measured": 0.5, "limit": 1.0, "detail": ""},
        {"name": "answer", "measured": 0.0, "limit": 0.0, "detail": ""},
    ]
    assert record["architectures"] == {"gemma3": False}
    assert record["fingerprint"]["size"] == {"one": [1, 2.5, "nan", ["a"], "<path>"]}
    assert [step["name"] for step in record["steps"]] == ["measure", "facts"]
    assert record["versions"]["transformers"] == "9.8.7"
    assert record["exception"] is record["unsupported"] is record["message"] is None


def test_what_was_measured_before_an_exception_is_kept(forking: Probe) -> None:
    record = record_of(forking, "good/lies")
    assert record["status"] == "raised"
    assert [check["measured"] for check in record["checks"]] == ["nan", "inf"]
    assert record["exception"]["step"] == "compare"


def test_an_exception_with_what_was_behind_it(forking: Probe) -> None:
    exception = record_of(forking, "ends/raises")["exception"]
    assert exception["type"] == "builtins.ValueError"
    assert exception["message"].startswith("weight is on the meta device")
    assert exception["step"] == "load"
    assert exception["frames"][-1]["module"] == "scenarios.ends.processes"
    assert exception["frames"][-1]["function"] == "raises"
    assert [behind["type"] for behind in exception["chain"]] == ["builtins.FileNotFoundError"]
    assert exception["traceback"].rstrip().endswith("to put in on 0")


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("ends/leaves[exit]", "builtins.SystemExit"),
        ("ends/leaves[interrupt]", "builtins.KeyboardInterrupt"),
        ("ends/recurses", "builtins.RecursionError"),
        ("good/nowhere", "compatprobe.discover.UnknownCell"),
        ("good/passes[three,a]", "compatprobe.discover.UnknownCell"),
    ],
)
def test_other_exceptions(forking: Probe, cell: str, kind: str) -> None:
    record = record_of(forking, cell)
    assert (record["status"], record["exception"]["type"]) == ("raised", kind)
    assert len(record["exception"]["frames"]) <= 200


def test_an_exception_that_cannot_be_shown(forking: Probe) -> None:
    assert record_of(forking, "ends/mute")["exception"]["message"] == "(its message cannot be had: TypeError)"


def test_warnings_are_kept_once_and_without_what_varies(forking: Probe) -> None:
    record = record_of(forking, "good/noise")
    assert record["warnings"] == [
        "UserWarning: <object object at <address>> in <path> took <time>",
        "transformers.modeling_utils: Some weights of X were not used",
        "accelerate.big_modeling: and this",
    ]
    log = forking.run("good/noise", LIMITS).log
    for line in ("to stdout", "to stderr", "to descriptor 1 \ufffd", "to a child of its own", "DeprecationWarning"):
        assert (line in log) is (line != "DeprecationWarning")


def test_unsupported_names_its_evidence(forking: Probe) -> None:
    record = record_of(forking, "good/unsupported")
    assert record["status"] == "unsupported"
    assert record["unsupported"]["name"] == "transformers.Gemma99ForCausalLM"
    assert "has no attribute" in record["unsupported"]["evidence"]


@pytest.mark.parametrize(
    ("need", "message"),
    [
        ("cuda", "needs cuda: there is none"),
        ("virtual-cuda", "needs virtual-cuda: there is none"),
        ("virtual-cuda:3", "needs virtual-cuda:3: there is none"),
        ("package:accelerate", None),
        ("package:none", "needs package:none: it is not installed"),
        ("moon", "needs moon: which this probe does not know"),
    ],
)
def test_needs(forking: Probe, need: str, message: str | None) -> None:
    record = record_of(forking, f"good/needy[{need}]")
    assert (record["status"], record["message"]) == ("skipped" if message else "done", message)


SECRET = "kRoKoDiL\u00eb kennt Ol\n-keinen-zweiten+"


@pytest.mark.parametrize("isolation", ["forking", "spawning"])
def test_a_variable_goes_to_the_cell_that_asked_for_it(
    isolation: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    probe: Probe = request.getfixturevalue(isolation)
    monkeypatch.setenv("SECRET_WORD", SECRET)
    ended = probe.run("good/asks[env:SECRET_WORD]", LIMITS, ("env:SECRET_WORD",))
    assert ended.record is not None
    assert ended.record["exception"]["type"] == "builtins.ValueError"
    lines = [line.strip() for line in SECRET.splitlines()]
    assert not any(line in str(ended.model_dump()) for line in lines)
    assert ended.log.split("\n")[:2] == ["***", "***"]
    assert lines[1][::-1] in ended.log  # the cell's own children had it too
    assert ended.record["fingerprint"]["***\n***"] == {"***\n***": ["***\n***"]}
    assert (ended.record["fingerprint"]["in files"], ended.record["fingerprint"]["parent"]) == (["progress"], False)
    for needs in ((), ("env:LC_SAID",), ("env:SECRET_WORDS",)):
        record = probe.run("good/asks[nothing]", LIMITS, needs).record
        assert record is not None
        assert record["exception"]["message"] == ""


def test_a_variable_that_the_host_lacks(forking: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_WORD", "")
    ended = forking.run("good/asks[env:SECRET_WORD]", LIMITS, ("env:SECRET_WORD",))
    assert ended.record is not None
    assert (ended.record["status"], ended.record["message"]) == ("skipped", "needs env:SECRET_WORD: it is not set")


def test_what_is_fixed_cannot_be_asked_for(forking: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    ended = forking.run("good/needy[env:HF_HUB_OFFLINE]", LIMITS, ("env:HF_HUB_OFFLINE",))
    assert ended.record is not None
    assert ended.record["fingerprint"] == {"value": "1"}


def test_cells_share_nothing(forking: Probe) -> None:
    for turn in ("first", "second"):
        record = record_of(forking, f"good/leaks[{turn}]")
        assert [check["detail"] for check in record["checks"]] == [""] * 4


def test_cells_see_nothing_of_the_host(forking: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    record = record_of(forking, "good/sees")
    assert record["checks"][0]["detail"] == ""
    facts = record["fingerprint"]
    assert facts["flags"] == [0, 1, "0"]
    assert (facts["stdin"], facts["path"]) == ("", 0)
    assert {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "MALLOC_PERTURB_", "OMP_NUM_THREADS"} <= set(facts["variables"])


@pytest.mark.parametrize(
    ("cell", "outcome"),
    [
        ("good/passes[one,b]", Outcome.PASS),
        ("good/lies", Outcome.WRONG),
        ("good/skips", Outcome.SKIPPED),
        ("good/unsupported", Outcome.UNSUPPORTED),
        ("ends/raises", Outcome.FAIL),
        ("ends/exits", Outcome.CRASH),
        ("ends/segfaults", Outcome.CRASH),
        ("ends/spoils[cut]", Outcome.CRASH),
    ],
)
def test_the_outcome_that_comes_of_it(forking: Probe, cell: str, outcome: Outcome) -> None:
    assert classify(cell, "9.8.7", forking.run(cell, LIMITS)).outcome == outcome
