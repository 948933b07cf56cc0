"""What the versions say of one another: same tensors, same question, same answer? Pure.

A version can load every tensor and compute something else with it, always: its own computation in float64 agrees with
it then. Where no independent reference has judged, the other versions are the judge, and the majority decides; where
there is none, nobody can say which is right. Versions with one lock are one voice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from compatmatrix.results import CellResult, Check, Column, Outcome, Run, Scenario, Variant
from compatmatrix.trying.choose import FAMILY

ID = f"{FAMILY}/between-versions"
#: The fact that a load keeps of its answer, and what it says of who judged it.
OUTPUT, JUDGE, INDEPENDENT = "forward output", "judged by", "an independent reference"
_TOKENIZER = f"{FAMILY}/tokenizer"
#: How the reason begins where the versions are divided.
DISPUTED = "the versions disagree, and there is no majority"


@dataclass(frozen=True)
class _Voice:
    """A version's answer: numbers and how far right ones may be from them, or a digest that is equal or is not."""

    version: str
    lock: str
    values: tuple[float, ...] = ()
    tolerance: float = 0.0
    digest: str = ""

    def far(self, other: _Voice) -> float:
        if self.digest != other.digest or len(self.values) != len(other.values):
            return float("inf")
        return max((abs(a - b) for a, b in zip(self.values, other.values, strict=True)), default=0.0)

    def allowed(self, other: _Voice) -> float:
        return self.tolerance + other.tolerance


def with_agreement(run: Run, compared: Sequence[str]) -> Run:
    """The run with a row for each cell that was compared between versions, where there is something to compare.

    ``compared``: ids of load cells. The tokenizer's ids are compared too.
    """
    rows: list[CellResult] = []
    variants: list[Variant] = []
    for cell in (*compared, _TOKENIZER):
        voices = _voices(run, cell)
        if len({voice.lock for voice in voices}) < 2:
            continue
        label = f"[{cell.partition('/')[2].replace('[', ',').rstrip(']')}]"
        variants.append(Variant(label=label, params={"of": label[1:-1]}))
        verdicts = _verdicts(voices)
        rows += [_row(column, ID + label, verdicts) for column in run.columns]
    if not rows:
        return run
    scenario = Scenario(
        id=ID,
        title="the same answer as in the other versions",
        family=FAMILY,
        doc=(__doc__ or "").partition("\n\n")[2].strip(),
        params={"of": tuple(variant.params["of"] for variant in variants)},
        variants=tuple(variants),
    )
    whole = run.model_copy(update={"scenarios": (*run.scenarios, scenario), "results": _ordered(run, rows)})
    whole.__dict__.pop("_by_cell", None)  # a copy takes the index of the rows along
    return whole


def _ordered(run: Run, rows: Sequence[CellResult]) -> tuple[CellResult, ...]:
    """Column by column, as a run has its rows."""
    every = [*run.results, *rows]
    return tuple(row for column in run.columns for row in every if row.version == column.version)


def _voices(run: Run, cell: str) -> list[_Voice]:
    """The versions whose cell passed, and was not judged by something better than other versions."""
    found = []
    for row in run.results:
        if row.cell != cell or row.outcome is not Outcome.PASS:
            continue
        column = next(each for each in run.columns if each.version == row.version)
        voice = _voice(column, row.fingerprint)
        if voice is not None:
            found.append(voice)
    return found


def _voice(column: Column, facts: Mapping[str, Any]) -> _Voice | None:
    lock = column.lock_hash or column.version
    ids, output = facts.get("ids"), facts.get(OUTPUT)
    try:
        if isinstance(ids, Mapping):
            return _Voice(column.version, lock, digest=str(ids["digest"]))
        if isinstance(output, Mapping) and output.get(JUDGE) != INDEPENDENT:
            values = tuple(float(value) for value in output["values"])
            return _Voice(column.version, lock, values, float(output["tolerance"]), str(output.get("shape")))
    except (KeyError, TypeError, ValueError):
        return None  # a record is untrusted: what makes no sense says nothing
    return None


def _verdicts(voices: Sequence[_Voice]) -> dict[str, tuple[Outcome, str, tuple[Check, ...]]]:
    groups: list[list[_Voice]] = []
    for voice in voices:
        home = next((group for group in groups if voice.far(group[0]) <= voice.allowed(group[0])), None)
        if home is None:
            groups.append([voice])
        else:
            home.append(voice)
    locks = [{voice.lock for voice in group} for group in groups]
    every = set().union(*locks)
    most = next((group for group, some in zip(groups, locks, strict=True) if 2 * len(some) > len(every)), None)
    return {voice.version: _verdict(voice, groups, most) for voice in voices}


def _verdict(
    voice: _Voice, groups: Sequence[Sequence[_Voice]], most: Sequence[_Voice] | None
) -> tuple[Outcome, str, tuple[Check, ...]]:
    if most is None:
        told = " | ".join(", ".join(each.version for each in group) for group in groups)
        return Outcome.SKIPPED, f"{DISPUTED}: {told}; which is right, nothing here can tell", ()
    judge = most[0]
    far, limit = voice.far(judge), voice.allowed(judge)
    name = "ids as in most versions" if not voice.values else "answer as in most versions"
    check = Check(name=name, measured=far, limit=limit)
    names = ", ".join(each.version for each in most if each.version != voice.version)
    if check.holds:
        return Outcome.PASS, f"as in {names}", (check,)
    return Outcome.WRONG, f"answers otherwise than {names}: the majority decides, there is no other judge", (check,)


def _row(column: Column, cell: str, verdicts: Mapping[str, tuple[Outcome, str, tuple[Check, ...]]]) -> CellResult:
    if column.failure:
        return CellResult(cell=cell, version=column.version, outcome=Outcome.ENV_FAIL, reason=column.failure.message)
    outcome, reason, checks = verdicts.get(
        column.version, (Outcome.SKIPPED, "there is no right load here whose answer could be compared", ())
    )
    signature = None if outcome is not Outcome.WRONG else "wrong: " + ", ".join(check.name for check in checks)
    return CellResult(
        cell=cell, version=column.version, outcome=outcome, reason=reason, signature=signature, checks=checks
    )
