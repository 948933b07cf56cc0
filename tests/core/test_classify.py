"""From what a child left behind to an outcome: total, and the worst finding wins."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.classify import classify, normalised
from compatmatrix.records import Ended
from compatmatrix.results import CellResult, Outcome

CELL = "llama/plain[tied]"
HELD = {"name": "weights", "measured": 0.0, "limit": 0.0, "detail": ""}
BROKEN = {"name": "logits", "measured": 2.0, "limit": 1e-5, "detail": ""}


def record(status: str = "done", **more: Any) -> dict[str, Any]:
    return {"schema": 1, "cell": CELL, "status": status, "checks": [HELD], **more}


def judge(how: str = "exited", record: object = None, **more: Any) -> CellResult:
    return classify(CELL, "1.0", Ended.model_validate({"how": how, "record": record, **more}))


def raised(type: str, message: str, **more: Any) -> dict[str, Any]:
    return record("raised", checks=[], exception={"type": type, "message": message}, **more)


def with_frames(frames: list[Any]) -> dict[str, Any]:
    return record("raised", exception={"type": "KeyError", "message": "x", "frames": frames})


@pytest.mark.parametrize(
    ("result", "outcome", "reason"),
    [
        (judge(record=record()), Outcome.PASS, "1 checks held"),
        (judge(record=record(checks=[])), Outcome.FAIL, "measured nothing"),
        (judge(record=record(checks=[HELD, BROKEN])), Outcome.WRONG, "logits: 2 over 1e-05"),
        (judge(record=record(checks=[{**HELD, "measured": "nan"}])), Outcome.WRONG, "weights: nan"),
        (judge(record=record(checks=[{**HELD, "measured": "inf"}])), Outcome.WRONG, "weights: inf"),
        # An exception that follows a wrong answer does not make it any better.
        (
            judge(record={**raised("builtins.KeyError", "x", answered=True), "checks": [BROKEN]}),
            Outcome.WRONG,
            "logits",
        ),
        # Without an answer, the exception is what a user meets.
        (judge(record={**raised("builtins.KeyError", "x"), "checks": [BROKEN]}), Outcome.FAIL, "did not hold: logits"),
        # Neither is it hidden by what the version lacks, or the machine.
        (judge(record=record("unsupported", checks=[BROKEN], unsupported={"name": "a.B"})), Outcome.WRONG, "logits"),
        (judge(record=record("skipped", checks=[BROKEN], message="no cuda")), Outcome.WRONG, "logits"),
        # A record that is not what was agreed is a crash of the cell, never of the column.
        (judge(record=with_frames([{"line": None}])), Outcome.CRASH, "not of schema 1"),
        (judge("signal", number=11), Outcome.CRASH, "SIGSEGV"),
        (judge("signal", number=11, record=record()), Outcome.CRASH, "SIGSEGV"),
        (judge(number=3), Outcome.CRASH, "exited with 3 and left no record"),
        (judge(number=0), Outcome.CRASH, "exited with 0 and left no record"),
        (judge(number=0, record_error="the record is cut"), Outcome.CRASH, "the record is cut"),
        (judge(number=1, record=record()), Outcome.CRASH, "after its record"),
        (judge("lost"), Outcome.CRASH, "is gone"),
        (judge("timeout", seconds=120), Outcome.TIMEOUT, "not finished after 120 s"),
        (judge("no-progress", seconds=60), Outcome.TIMEOUT, "stood still"),
        (judge("memory"), Outcome.OOM, "more memory than the policy allows"),
        (judge(record=raised("builtins.MemoryError", "")), Outcome.OOM, "MemoryError"),
        (judge(record=raised("builtins.RuntimeError", "DefaultCPUAllocator: can't allocate")), Outcome.OOM, "can't"),
        (judge(record=raised("builtins.ValueError", "weight is on the meta device")), Outcome.FAIL, "ValueError"),
        (judge(record=raised("builtins.SystemExit", "0")), Outcome.FAIL, "SystemExit"),
        (judge(record=record("skipped", message="no cuda", checks=[])), Outcome.SKIPPED, "no cuda"),
        (judge(record=record("unsupported", unsupported={"name": "a.B"})), Outcome.UNSUPPORTED, "a.B"),
        (judge(record={**record(), "schema": 2}), Outcome.CRASH, "not of schema 1"),
        (judge(record={**record(), "cell": "llama/other"}), Outcome.CRASH, "another cell"),
        (judge(record=[1, 2]), Outcome.CRASH, "not of schema 1"),
    ],
)
def test_outcome(result: CellResult, outcome: Outcome, reason: str) -> None:
    assert result.outcome is outcome
    assert reason in result.reason


@pytest.mark.parametrize(
    ("type", "message", "known", "outcome"),
    [
        ("builtins.KeyError", "'gemma3'", False, Outcome.UNSUPPORTED),
        ("builtins.ValueError", "The checkpoint has model type `gemma3` but …", False, Outcome.UNSUPPORTED),
        # The registry knows it: the error is the version's own.
        ("builtins.KeyError", "'gemma3'", True, Outcome.FAIL),
        # The error is about something else.
        ("builtins.KeyError", "'gemma3_text'", False, Outcome.FAIL),
        ("builtins.RuntimeError", "gemma3", False, Outcome.FAIL),
        ("builtins.KeyError", "'weight'", False, Outcome.FAIL),
    ],
)
def test_unsupported_only_where_the_version_says_so(type: str, message: str, known: bool, outcome: Outcome) -> None:
    assert judge(record=raised(type, message, architectures={"gemma3": known})).outcome is outcome


SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_any_record_gives_a_result(anything: object) -> None:
    assert judge(record=anything).outcome is Outcome.CRASH


STATUSES = st.sampled_from(["done", "raised", "unsupported", "skipped"])


@given(STATUSES, st.floats(), st.floats(), st.text(), st.booleans())
def test_green_means_that_every_check_held(status: str, measured: float, limit: float, text: str, error: bool) -> None:
    checks = [{"name": text, "measured": measured, "limit": limit, "detail": text}]
    exception = {"type": text, "message": text} if error else None
    outcome = judge(record=record(status, checks=checks, exception=exception, message=text)).outcome
    assert (outcome is Outcome.PASS) == (status == "done" and measured <= limit and not error)


def test_a_signature_has_no_addresses_paths_sizes_or_lines() -> None:
    text = "Tensor at 0x7f00aa in /tmp/xyz/model.safetensors needs 20.00 MiB,\n commit 1c0f782fe5f983727ff2"
    assert normalised(text) == "Tensor at 0x… in <path> needs <size>, commit <hash>"


def test_the_signature_names_the_innermost_library_frame() -> None:
    frames = [
        {"module": "scenarios.llama.plain", "function": "plain", "line": 3},
        {"module": "accelerate.utils.modeling", "function": "set_module_tensor_to_device", "line": 300},
        {"module": "torch.nn.modules.module", "function": "__call__", "line": 9},
    ]
    exception = {"type": "builtins.ValueError", "message": "weight is on the meta device", "frames": frames}
    signature = judge(record=record("raised", exception=exception)).signature
    assert signature == (
        "ValueError: weight is on the meta device @ accelerate.utils.modeling.set_module_tensor_to_device"
    )


def test_the_signature_of_wrong_names_is_clean() -> None:
    token = "hf_" + "a1" * 17
    found = judge(record=record(checks=[{**BROKEN, "name": f"logits {token}\x1b[31m"}]))
    assert found.outcome is Outcome.WRONG
    assert found.signature == "wrong: logits hf_***"
    assert token not in found.model_dump_json()
