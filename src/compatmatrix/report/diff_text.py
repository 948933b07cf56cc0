"""A comparison as text for a terminal, as Markdown for an issue, and as data. Pure.

Cells that differ alike are told once: the same outcomes, cause, known issue and changes of behaviour.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from compatmatrix.report.behaviour import INTERNAL
from compatmatrix.report.diff import MEANING, WORDS, Cost, Diff, Kind, Pair
from compatmatrix.report.display import OUTCOMES, duration, plural, size
from compatmatrix.report.markdown import code
from compatmatrix.report.sides import Did
from compatmatrix.text import one_line

SCHEMA = 1
CELLS = 8
GROUPS = 20
FACTS = 5
LISTED = (Kind.BREAKS, Kind.FIXES, Kind.OTHERWISE, Kind.CHANGED, Kind.UNKNOWN, Kind.REMOVED, Kind.ADDED)
"""Kinds whose cells are listed; of the others the number tells enough."""


@dataclass(frozen=True)
class Group:
    """Pairs that differ alike: ``how`` in one line, ``facts`` of the behaviour, and the cells by version."""

    how: str
    facts: tuple[str, ...]
    cells: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def size(self) -> int:
        return sum(len(cells) for _, cells in self.cells)


def groups(pairs: Iterable[Pair]) -> tuple[Group, ...]:
    """Pairs of one kind, the largest group first."""
    found: dict[tuple[str, tuple[str, ...]], dict[str, list[str]]] = {}
    for pair in pairs:
        found.setdefault((_how(pair), _facts(pair)), {}).setdefault(pair.version, []).append(pair.cell)
    told = [
        Group(how, facts, tuple((version, tuple(cells)) for version, cells in by_version.items()))
        for (how, facts), by_version in found.items()
    ]
    return tuple(sorted(told, key=lambda group: -group.size))


def _how(pair: Pair) -> str:
    before, after = pair.before, pair.after
    if before and after and (before.outcome, before.cause) == (after.outcome, after.cause):
        return _did(after) if pair.kind is not Kind.CHANGED else ""
    return f"{_did(before)} -> {_did(after)}" if before and after else _did(before or after)


def _did(did: Did | None) -> str:
    if did is None:
        return ""
    mark = OUTCOMES[did.outcome]
    cause = f": {one_line(did.cause.removeprefix(f'{did.outcome.value}: '), 160)}" if did.cause else ""
    return f"{mark.glyph} {mark.word}{cause}" + (f" [known issue {did.known}]" if did.known else "")


def _facts(pair: Pair) -> tuple[str, ...]:
    if pair.kind not in (Kind.CHANGED, Kind.OTHERWISE):
        return ()
    felt = [change for change in pair.changes if change.aspect not in INTERNAL]
    facts = tuple(f"{change.fact}: {change.told}" for change in felt)
    if pair.kind is Kind.CHANGED and not facts:
        return ("what differs is told only by whole runs, not by their snapshots",)
    return facts


# -- text


def text(diff: Diff) -> str:
    """For a terminal: plain lines."""
    lines = [_title(diff), *(f"  {line}" for line in _sides(diff)), "", _counts(diff)]
    for kind in LISTED:
        found = groups(diff.of(kind))
        if found:
            lines += ["", f"{kind.value.upper()} ({diff.counts[kind]}): {MEANING[kind]}"]
            lines += [line for group in found[:GROUPS] for line in _group(group, single=_single(diff))]
            lines += [f"  and {plural(len(found) - GROUPS, 'more group')}; all are in --format json"] * (
                len(found) > GROUPS
            )
    if diff.costs:
        lines += ["", *(line for cost in diff.costs for line in _cost(cost))]
    return "\n".join(lines) + "\n"


def _group(group: Group, *, single: bool) -> list[str]:
    told = plural(group.size, "cell")
    lines = [f"  {told}: {group.how}"] if group.how else []
    lines += [f"    {fact}" if lines else f"  {told}: {fact}" for fact in group.facts[:1]]
    lines += [f"    {fact}" for fact in group.facts[1:FACTS]]
    lines += [f"    and {plural(len(group.facts) - FACTS, 'more fact')}"] * (len(group.facts) > FACTS)
    for version, cells in group.cells:
        lines += [f"      {line}" if single else f"      {version}: {line}" for line in _names(cells)]
    return lines


def _names(cells: Sequence[str]) -> list[str]:
    """``llama/auto-model[tied] [untied] and 5 more``: one line for each scenario."""
    by_scenario: dict[str, list[str]] = {}
    for cell in cells:
        scenario, bracket, label = cell.partition("[")
        by_scenario.setdefault(scenario, []).append(bracket + label)
    return [
        scenario + " ".join(labels[:CELLS]) + (f" and {len(labels) - CELLS} more" if len(labels) > CELLS else "")
        for scenario, labels in by_scenario.items()
    ]


def _title(diff: Diff) -> str:
    return f"{diff.before.name} -> {diff.after.name}"


def _single(diff: Diff) -> bool:
    return diff.before.name in diff.before.columns


def _sides(diff: Diff) -> list[str]:
    """What the columns show, where that is not plain from their names, and what is no evidence."""
    lines = []
    if _single(diff):
        for side in (diff.before, diff.after):
            lines += [f"{version} is {shown}" for version, shown in side.columns.items() if shown != version]
        lines.append(f"run {diff.after.run}")
    else:
        for version in dict.fromkeys((*diff.before.columns, *diff.after.columns)):
            was, now = diff.before.columns.get(version), diff.after.columns.get(version)
            if was != now:
                lines.append(f"{version}: {now or 'not in this run'}, was {was or 'not there'}")
    return [*lines, *(f"! {note}" for note in _notes(diff))]


def _notes(diff: Diff) -> list[str]:
    """What both sides note is told once, what one run alone notes with the run."""
    before, after = diff.before, diff.after
    if _single(diff) or before.notes == after.notes:
        return list(dict.fromkeys((*before.notes, *after.notes)))
    return [f"in {side.name}, {note}" for side in (before, after) for note in side.notes]


def _counts(diff: Diff) -> str:
    told = [f"{count:,} {WORDS[kind]}" for kind, count in diff.counts.items() if count]
    return f"{plural(len(diff.pairs), 'cell')}: {', '.join(told) or 'nothing to compare'}."


def _cost(cost: Cost) -> list[str]:
    head = "in all" if cost.name == "time" else "at most"
    lines = [
        f"{cost.name}: {head} {_amount(cost, cost.after)}, was {_amount(cost, cost.before)}; "
        f"median x{cost.ratio:.2f}, over {plural(cost.cells, 'cell')} that pass on both sides"
    ]
    lines += [
        f"  {pair.cell} in {pair.version}: {_amount(cost, now)}, was {_amount(cost, was)}"
        for pair, was, now in cost.more[:CELLS]
    ]
    return lines + [f"  and {plural(len(cost.more) - CELLS, 'more cell')}"] * (len(cost.more) > CELLS)


def _amount(cost: Cost, value: float) -> str:
    return duration(value) if cost.name == "time" else size(int(value))


# -- Markdown


def markdown(diff: Diff) -> str:
    """For an issue or a comment: what a library wrote stands in code spans only."""
    parts = [f"## {code(diff.before.name)} → {code(diff.after.name)}\n\n{_counts(diff)}\n"]
    sides = [f"- {code(line.removeprefix('! '))}" for line in _sides(diff)]
    parts += ["\n".join(sides) + "\n"] if sides else []
    for kind in LISTED:
        found = groups(diff.of(kind))
        if found:
            lines = [f"### {kind.value} ({diff.counts[kind]}): {MEANING[kind]}\n"]
            for group in found[:GROUPS]:
                facts = "; ".join(code(fact) for fact in group.facts[:FACTS])
                names = [
                    code(line) if _single(diff) else f"{code(version)} {code(line)}"
                    for version, cells in group.cells
                    for line in _names(cells)
                ]
                lines.append(f"- {': '.join(filter(None, (code(group.how, 240), facts)))}")
                lines += [f"  - {name}" for name in names]
            lines += [f"- and {plural(len(found) - GROUPS, 'more group')}"] * (len(found) > GROUPS)
            parts.append("\n".join(lines) + "\n")
    parts += ["\n".join(f"- {line}" for cost in diff.costs for line in _cost(cost)[:1]) + "\n"] if diff.costs else []
    return "\n".join(parts)


# -- data


def data(diff: Diff) -> dict[str, Any]:
    """Everything, for ``json``: counts by kind, and every pair that is not the same."""
    return {
        "schema": SCHEMA,
        "before": {"name": diff.before.name, "run": diff.before.run, "columns": dict(diff.before.columns)},
        "after": {"name": diff.after.name, "run": diff.after.run, "columns": dict(diff.after.columns)},
        "notes": _notes(diff),
        "counts": {kind.value: count for kind, count in diff.counts.items()},
        "cells": [_pair(pair) for kind in Kind if kind is not Kind.SAME for pair in diff.of(kind)],
        "costs": [
            {
                "name": cost.name,
                "cells": cost.cells,
                "before": cost.before,
                "after": cost.after,
                "median_ratio": cost.ratio,
                "more": [
                    {"cell": pair.cell, "version": pair.version, "before": was, "after": now}
                    for pair, was, now in cost.more
                ],
            }
            for cost in diff.costs
        ],
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "kind": pair.kind.value,
        "cell": pair.cell,
        "version": pair.version,
        "before": _side(pair.before),
        "after": _side(pair.after),
        "changes": [{"aspect": each.aspect, "fact": each.fact, "told": each.told} for each in pair.changes],
    }


def _side(did: Did | None) -> dict[str, str | None] | None:
    return {"outcome": did.outcome.value, "cause": did.cause, "known": did.known or None} if did else None
