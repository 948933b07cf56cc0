"""What a version's cells say of the checkpoint, and why, in a few words. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from compatmatrix.results import CellResult, Check, Column, Outcome, Run
from compatmatrix.text import one_line
from compatmatrix.trying import agreement
from compatmatrix.trying.choose import FAMILY


class Standing(str, Enum):
    """Best first. ``partly``: what it is about works, something beside it does not."""

    WORKS = "works"
    PARTLY = "partly"
    DISPUTED = "disputed"
    OTHERWISE = "answers-otherwise"
    WRONG = "wrong"
    FAILS = "fails"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"

    @property
    def usable(self) -> bool:
        return self in (Standing.WORKS, Standing.PARTLY)


@dataclass(frozen=True, kw_only=True)
class VersionAnswer:
    """One version: ``why`` belongs to the standing, ``but`` are the ways beside it that do not work."""

    version: str
    name: str
    standing: Standing
    why: str = ""
    but: tuple[str, ...] = ()


def stand(run: Run, column: Column, essential: Sequence[str], primary: str) -> VersionAnswer:
    """Judge a version by its rows: the essential ones decide, the others are told."""
    name = column.version if column.shows == column.version else f"{column.version} ({column.transformers})"
    rows = [row for row in run.results if row.version == column.version]
    core = [row for row in rows if row.cell in essential or row.cell.startswith(agreement.ID)]
    core = core or rows  # a selection without what it is about: what was selected decides
    standing, why = _core(column, core)
    beside = [row for row in rows if row not in core and not _ours(row)]
    missing = [row for row in beside if row.outcome.red or row.outcome is Outcome.UNSUPPORTED]
    but = tuple(dict.fromkeys(way(row, primary) for row in missing)) if standing is Standing.WORKS else ()
    return VersionAnswer(
        version=column.version, name=name, standing=Standing.PARTLY if but else standing, why=why, but=but
    )


def _core(column: Column, core: Sequence[CellResult]) -> tuple[Standing, str]:
    if column.failure:
        return Standing.UNKNOWN, f"no environment: {one_line(column.failure.message, 100)}"
    silent = [row for row in core if row.outcome in (Outcome.NOT_RUN, Outcome.ENV_FAIL)]
    if silent or not any(row.outcome.answered for row in core):
        return Standing.UNKNOWN, one_line((silent or [*core])[0].reason, 100) if core else "nothing was run"
    own = [row for row in core if not row.cell.startswith(agreement.ID)]
    ours = [row for row in own if _ours(row)]
    if ours:
        return Standing.UNKNOWN, f"a check of compatmatrix itself failed: {why(ours)}"
    for outcome in (Outcome.WRONG, Outcome.CRASH, Outcome.OOM, Outcome.TIMEOUT, Outcome.FAIL, Outcome.UNSUPPORTED):
        rows = [row for row in own if row.outcome is outcome]
        if rows:
            standing = {Outcome.WRONG: Standing.WRONG, Outcome.UNSUPPORTED: Standing.UNSUPPORTED}
            return standing.get(outcome, Standing.FAILS), why(rows)
    between = [row for row in core if row.cell.startswith(agreement.ID)]
    otherwise = [row for row in between if row.outcome is Outcome.WRONG]
    if otherwise:
        return Standing.OTHERWISE, "its tokenizer" if "tokenizer" in otherwise[0].cell else "its outputs"
    if any(row.reason.startswith(agreement.DISPUTED) for row in between):
        return Standing.DISPUTED, "its outputs"
    return Standing.WORKS, ""


def _ours(row: CellResult) -> bool:
    """Whether an exception came out of a scenario's own lines: it says nothing of the version."""
    frames = row.failure.frames if row.failure and row.outcome is Outcome.FAIL else ()
    return bool(frames) and frames[-1].module.startswith("scenarios")


def why(rows: Sequence[CellResult]) -> str:
    """A few words for what is wrong in the first of the rows: ``rotary buffers``, ``KeyError: 'x'``."""
    row = rows[0]
    if row.outcome is Outcome.WRONG:
        broken = [check for each in rows for check in each.checks if not check.holds]
        return ", ".join(dict.fromkeys(_check(check) for check in broken[:6])) or "a check does not hold"
    if row.outcome is Outcome.UNSUPPORTED:
        return _unsupported(row.reason)
    if row.failure is not None:
        kind = row.failure.type.rpartition(".")[2]
        told = f"{kind}: {one_line(row.failure.message, 90)}" if row.failure.message else kind
        return told if row.cell.startswith((f"{FAMILY}/load", f"{FAMILY}/config")) else f"{way(row, '')}: {told}"
    return one_line(row.reason, 100)


_ROTARY = re.compile(r"inv_freq|rotary|cos_cached|sin_cached|rope")
#: The name of a check, or how it ends -> what it says that is wrong.
_SAID = (
    ("placed", "parts on the wrong device"),
    (" finite", "outputs that are not finite"),
    (" twice", "answers that change"),
    (" scores", "scores of generate"),
    (" tokens", "tokens of generate"),
    ("forward", "outputs"),
    ("as a plain load", "outputs"),
    ("as before", "outputs"),
    ("end tokens", "end tokens"),
)


def _check(check: Check) -> str:
    if check.name == "buffers":
        return "rotary buffers" if _ROTARY.search(check.detail) else "buffers"
    if check.name == "tensors" and check.measured == 1:
        made_up = "a parameter that is not in the file" in check.detail
        return f"{_first(check.detail)} is not {'in the file' if made_up else 'as in the file'}"
    if check.name == "tensors":
        return f"{check.measured:.0f} tensors that are not as in the file"
    return next((said for end, said in _SAID if check.name.endswith(end)), check.name)


def _first(detail: str) -> str:
    return one_line(detail.partition(":")[0], 60)


def _unsupported(reason: str) -> str:
    if "trust-remote-code" in reason or reason.startswith("the checkpoint's own code"):
        return "the checkpoint's own code, which runs only with --trust-remote-code"
    if reason.startswith(("transformers.", "accelerate.")):
        return reason.partition(":")[0].rpartition(".")[2]
    if reason.startswith("the rope scaling"):
        return reason.partition(":")[0]
    kind = _MODEL_TYPE.search(reason)
    return f"the model type {kind[1]}" if kind else one_line(reason, 90)


#: How versions say that their registry lacks a model type.
_MODEL_TYPE = re.compile(r"(?:model type [`'\"]?|^KeyError: ')([\w.-]+)")
_CELL = re.compile(r"[^/]+/(?P<scenario>[^\[]+)(?:\[(?P<values>.*)\])?")


def way(row: CellResult, primary: str) -> str:
    """How people would call what a cell tries: ``cpu+disk``, ``float16``, ``AutoModel``, ``save_pretrained``."""
    match = _CELL.fullmatch(row.cell)
    scenario, values = (match["scenario"], (match["values"] or "").split(",")) if match else (row.cell, [])
    names = {"save": "save_pretrained", "tokenizer": "its tokenizer", "config": "its configuration"}
    if scenario == "generate":
        told = "generate" if values[-1] == "cached" else "generate(use_cache=False)"
    elif scenario == "load":
        told = " as ".join(value for value in values if value not in (primary, "default")) or primary
    else:
        told = names.get(scenario, values[-1] if values and values[-1] else scenario)
    return f"{told} (WRONG)" if row.outcome is Outcome.WRONG else told


def names(versions: Iterable[VersionAnswer]) -> str:
    """``4.46.3``, ``4.39.0 and 4.46.3``, ``4.36.2, 4.39.0 and main (5.24.0)``."""
    told = [each.name for each in versions]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
