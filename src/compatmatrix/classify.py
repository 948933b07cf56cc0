"""From what a child left behind to an outcome: exit, signal, limit, record. Pure, and total.

The probe reports facts only; this is the one place that judges them. A check that does not hold makes a
cell ``wrong`` also where an exception followed, if the model had given an output by then.
"""

from __future__ import annotations

import re
import signal as signals
from typing import Any

from pydantic import ValidationError

from compatmatrix.records import Ended, Raised, Record
from compatmatrix.results import CellResult, Check, Failure, Frame, Outcome
from compatmatrix.text import clean

#: How torch and Python say that there is no more memory, beside MemoryError.
_OUT_OF_MEMORY = re.compile(
    r"DefaultCPUAllocator: (can't|not enough)|CUDA out of memory|Cannot allocate memory|std::bad_alloc"
)
_LONGEST = 20_000  # characters of a message: the search below is not linear
#: A version's own words for "I do not know this": each names the class or the argument.
_UNKNOWN_CLASS = re.compile(r"Unrecognized configuration class .* for this kind of AutoModel", re.DOTALL)


def classify(cell: str, version: str, ended: Ended) -> CellResult:
    """The outcome of one attempt at one cell; never raises."""
    record, error = _read(cell, ended)
    outcome, reason = _judge(ended, record, error)
    failure = _failure(record.exception) if record and record.exception else None
    return CellResult(
        cell=cell,
        version=version,
        outcome=outcome,
        reason=clean(reason, limit=500),
        signature=_signature(outcome, failure, reason, record),
        checks=tuple(_check(check) for check in record.checks) if record else (),
        failure=failure,
        fingerprint=_cleaned(record.fingerprint) if record else {},
        warnings=tuple(clean(text, limit=1000) for text in record.warnings) if record else (),
        steps=tuple((clean(step.name, limit=80), step.seconds) for step in record.steps) if record else (),
        seconds=ended.seconds,
        peak_memory=max(ended.peak_memory, record.peak_memory if record else 0),
        log=clean(ended.log),
        attempts=(outcome,),
    )


def _check(check: Check) -> Check:
    return check.model_copy(update={"name": clean(check.name, limit=120), "detail": clean(check.detail, limit=1500)})


def _cleaned(facts: Any) -> Any:
    """Facts with every text in them, keys too, cleaned: they are untrusted like all that a child writes."""
    if isinstance(facts, str):
        return clean(facts, limit=4000)
    if isinstance(facts, dict):
        return {clean(str(key), limit=400): _cleaned(value) for key, value in facts.items()}
    if isinstance(facts, list):
        return [_cleaned(value) for value in facts]
    return facts


def _read(cell: str, ended: Ended) -> tuple[Record | None, str]:
    if ended.record is None:
        return None, ended.record_error
    try:
        record = Record.model_validate(ended.record)
    except ValidationError as error:
        first = error.errors()[0]
        return None, f"the record is not of schema 1: {'.'.join(map(str, first['loc']))}: {first['msg']}"
    if record.cell != cell:
        return None, f"the record is of another cell: {record.cell}"
    return record, ""


def _judge(ended: Ended, record: Record | None, error: str) -> tuple[Outcome, str]:
    """Outcome and reason, worst first."""
    broken = [check for check in record.checks if not check.holds] if record else []
    # Tensors that are wrong in a model that then raises, before it gave any output, have misled nobody.
    misled = record is not None and (record.status != "raised" or record.answered)
    if broken and record and misled:
        shown = "; ".join(f"{c.name}: {c.measured:.4g} over {c.limit:.4g} {c.detail}".strip() for c in broken[:4])
        return Outcome.WRONG, f"{len(broken)} of {len(record.checks)} checks do not hold: {shown}"
    if ended.how == "memory":
        return Outcome.OOM, f"used more memory than the policy allows{_at(record)}"
    if ended.how == "timeout":
        return Outcome.TIMEOUT, f"not finished after {ended.seconds:.0f} s{_at(record)}"
    if ended.how == "no-progress":
        return Outcome.TIMEOUT, f"stood still: no step and no output; stopped after {ended.seconds:.0f} s"
    if ended.how == "signal":
        return Outcome.CRASH, f"killed by {_signal(ended.number)}"
    if ended.how == "lost":
        return Outcome.CRASH, "the process that ran it is gone" + (f": {error}" if error else "")
    if record is None:
        return Outcome.CRASH, f"exited with {ended.number} and {error or 'left no record'}"
    if ended.number:
        return Outcome.CRASH, f"exited with {ended.number} after its record was written"
    return _judge_record(record)


def _judge_record(record: Record) -> tuple[Outcome, str]:
    if record.status == "skipped":
        return Outcome.SKIPPED, record.message or "skipped"
    if record.status == "unsupported":
        asked = record.unsupported
        return Outcome.UNSUPPORTED, f"{asked.name}: {asked.evidence}" if asked else record.message or "unsupported"
    if record.status == "raised" or record.exception:
        raised = record.exception or Raised(type="Exception", message=record.message or "")
        name = raised.type.rpartition(".")[2]
        if name in ("MemoryError", "OutOfMemoryError") or _OUT_OF_MEMORY.search(raised.message):
            return Outcome.OOM, f"{raised.type}: {raised.message}"
        said = _says_unsupported(raised, record.architectures)
        if said:
            return Outcome.UNSUPPORTED, said
        broken = [check.name for check in record.checks if not check.holds]
        before = f" (before that, these checks did not hold: {', '.join(broken)})" if broken else ""
        return Outcome.FAIL, f"{raised.type.removeprefix('builtins.')}: {raised.message}{before}"
    if not record.checks:
        return Outcome.FAIL, "the scenario measured nothing: a green cell without a check would be worth nothing"
    return Outcome.PASS, f"{len(record.checks)} checks held"


def _says_unsupported(raised: Raised, architectures: dict[str, bool]) -> str:
    """The version's own statement that it does not know the architecture, or nothing."""
    name = raised.type.rpartition(".")[2]
    messages = [raised.message, *(link.message for link in raised.chain)]
    for model_type, known in architectures.items():
        # Both must agree: its registry lacks the model type, and the error is about that very name.
        if not known and name in ("KeyError", "ValueError") and any(_names(model_type, text) for text in messages):
            return f"{name}: {raised.message}"
    if name == "ValueError" and _UNKNOWN_CLASS.search(raised.message[:_LONGEST]):
        return f"{name}: {raised.message}"
    return ""


def _names(model_type: str, message: str) -> bool:
    return bool(re.search(rf"(^|[\s'\"`]){re.escape(model_type)}($|[\s'\"`])", message))


def _failure(raised: Raised) -> Failure:
    return Failure(
        type=clean(raised.type, limit=200),
        message=clean(raised.message, limit=4000),
        step=clean(raised.step, limit=80) if raised.step else None,
        frames=tuple(
            Frame(module=clean(each.module, limit=200), function=clean(each.function, limit=200), line=each.line)
            for each in raised.frames[-40:]
        ),
        traceback=clean(raised.traceback, limit=20_000),
        chain=tuple(clean(f"{link.type}: {link.message}", limit=1000) for link in raised.chain[:10]),
    )


def _signature(outcome: Outcome, failure: Failure | None, reason: str, record: Record | None) -> str | None:
    """What stays the same when the same thing happens again: no addresses, paths, sizes, line numbers."""
    if outcome in (Outcome.PASS, Outcome.SKIPPED):
        return None
    if outcome is Outcome.WRONG and record:
        names = sorted({clean(check.name, limit=120) for check in record.checks if not check.holds})
        return clean("wrong: " + ", ".join(names), limit=4000)
    if failure is None:
        return normalised(reason)
    library = [f for f in failure.frames if not f.module.startswith(("scenarios", "compatprobe", "torch", "<"))]
    where = f" @ {library[-1].module}.{library[-1].function}" if library else ""
    return f"{failure.type.removeprefix('builtins.')}: {normalised(failure.message)}{where}"


_VOLATILE = (
    (re.compile(r"0x[0-9a-fA-F]+"), "0x…"),
    (re.compile(r"(?:<tmp>|~)(?:[/\\][\w.+@~-]+)*[/\\]?"), "<path>"),
    (re.compile(r"(?:[A-Za-z]:)?(?:[/\\][\w.+@~-]+){2,}[/\\]?"), "<path>"),
    (re.compile(r"\b\d+(?:\.\d+)?\s?(?:[KMGT]i?B|bytes|s|seconds)\b"), "<size>"),
    (re.compile(r"\b[0-9a-f]{12,}\b"), "<hash>"),
    (re.compile(r"\s+"), " "),
)


def normalised(message: str) -> str:
    """A message without what changes from run to run, in one line of at most 300 characters."""
    text = clean(message, limit=4000)
    for pattern, replacement in _VOLATILE:
        text = pattern.sub(replacement, text)
    return text.strip()[:300]


def _signal(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _at(record: Record | None) -> str:
    return f" in step {record.steps[-1].name!r}" if record and record.steps else ""
