"""From a run to the answer: one sentence, what each version does with the checkpoint, which one to use. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from compatmatrix import pins
from compatmatrix.errors import Exit
from compatmatrix.pins.advice import Advice
from compatmatrix.results import CellResult, Outcome, Run
from compatmatrix.trying import agreement, limits
from compatmatrix.trying.choose import FAMILY, Choice
from compatmatrix.trying.standing import Standing, VersionAnswer, names, stand

_LISTED = 3
#: A standing other than "works" -> what one version, and several, do; with the reason behind it.
_SAID: Mapping[Standing, tuple[str, str]] = {
    Standing.WRONG: ("loads it WRONG", "load it WRONG"),
    Standing.OTHERWISE: ("answers otherwise than most", "answer otherwise than most"),
    Standing.DISPUTED: ("loads it, but the versions disagree", "load it, but disagree with one another"),
    Standing.FAILS: ("fails", "fail"),
    Standing.UNSUPPORTED: ("does not have what it needs", "do not have what it needs"),
    Standing.UNKNOWN: ("could not be tried", "could not be tried"),
}


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is told. ``advice`` is the pin, where a version can be named; ``worst`` the cell to look at first."""

    sentence: str
    versions: tuple[VersionAnswer, ...]
    advice: Advice | None
    exit: Exit
    worst: CellResult | None

    @property
    def use(self) -> str:
        """The requirement to install; empty where no version can be named."""
        return self.advice.environments[0].candidate.requirement if self.advice else ""


def answer(run: Run, choice: Choice) -> Answer:
    """Judge every version, name the best, and say so."""
    versions = tuple(stand(run, column, choice.essential, choice.primary) for column in run.columns)
    usable = [each for each in versions if each.standing.usable]
    partial = not limits.covers(choice, (row.cell for row in run.results))
    named = usable and not choice.unloaded and not partial
    advice = _advice(run, choice, {each.version for each in usable}) if named else None
    parts = [*_parts(versions, unloaded=choice.unloaded), *limits.untried(run, choice), *limits.made_up(run, choice)]
    parts += [*_file(run), *limits.unjudged(run, choice)]
    if advice:
        parts.append(f"use {advice.environments[0].candidate.requirement}")
    text = ("of what was selected: " if partial else "") + "; ".join(parts)
    return Answer(
        sentence=text[0].upper() + text[1:] + ".",
        versions=versions,
        advice=advice,
        exit=_exit(versions, choice),
        worst=_worst(run, choice),
    )


def _exit(versions: Sequence[VersionAnswer], choice: Choice) -> Exit:
    works = any(each.standing.usable for each in versions)
    unknown = any(each.standing is Standing.UNKNOWN for each in versions)
    if (works and choice.unloaded) or (unknown and not works):
        return Exit.INFRASTRUCTURE
    return Exit.OK if works else Exit.REGRESSED


def _advice(run: Run, choice: Choice, usable: set[str]) -> Advice | None:
    """The newest version in which everything works that works anywhere; else in which the essential does."""
    kept = run.model_copy(update={"columns": tuple(each for each in run.columns if each.version in usable)})
    passed = [row.cell for row in kept.results if row.outcome is Outcome.PASS and row.version in usable]
    everything = list(dict.fromkeys(passed))
    core = [cell for cell in everything if cell in choice.essential or cell.startswith(agreement.ID)]
    for cells in (everything, core):
        if cells:
            advice = pins.advise(kept, pins.needs(kept, cells))
            if advice.exit is Exit.OK and not advice.unserved:
                return advice
    return None


def _parts(versions: Sequence[VersionAnswer], *, unloaded: str) -> Iterator[str]:
    works = [each for each in versions if each.standing is Standing.WORKS]
    partly = [each for each in versions if each.standing is Standing.PARTLY]
    if unloaded:
        yield f"not loaded here: {unloaded}"
        if works or partly:
            yield f"what could be tried without its weights works in {_listed(versions, [*works, *partly])}"
    elif not works and not partly:
        if len(versions) > 1:
            known = [each for each in versions if each.standing is not Standing.UNKNOWN]
            yield "works in none of the versions tried" if known else "no version could be tried"
    elif works:
        yield f"works in {_listed(versions, works)}"
    yield from _partly(versions, [] if unloaded else partly, anything_else=bool(works))
    for standing, (one, several) in _SAID.items():
        for group in _alike([each for each in versions if each.standing is standing], lambda each: each.why):
            reason = f" ({group[0].why})" if group[0].why else ""
            yield f"{_listed(versions, group)} {one if len(group) == 1 else several}{reason}"


def _partly(
    versions: Sequence[VersionAnswer], partly: Sequence[VersionAnswer], *, anything_else: bool
) -> Iterator[str]:
    groups = _alike(partly, lambda each: " ".join(each.but))
    for number, group in enumerate(groups):
        but = f"but not with {_some(group[0].but)}"
        if anything_else or number:
            yield f"{_listed(versions, group)} {'works' if len(group) == 1 else 'work'}, {but}"
        else:
            yield f"works in {_listed(versions, group)}, {but}"


def _file(run: Run) -> Iterator[str]:
    """What is wrong with the file itself, and no version's doing."""
    for row in run.results:
        told = row.fingerprint.get("not finite in the file")
        if isinstance(told, Mapping) and told:
            count = sum(value for value in told.values() if isinstance(value, int))
            yield f"the file itself holds {count} numbers that are not finite (in {next(iter(told))})"
            return


def _alike(versions: Sequence[VersionAnswer], key: Callable[[VersionAnswer], str]) -> list[list[VersionAnswer]]:
    groups: dict[str, list[VersionAnswer]] = {}
    for each in versions:
        groups.setdefault(key(each), []).append(each)
    return list(groups.values())


def _listed(every: Sequence[VersionAnswer], some: Sequence[VersionAnswer]) -> str:
    """The names; a long run of versions without a gap by its ends."""
    chosen = [each for each in every if each in some]
    first = every.index(chosen[0])
    if len(chosen) > _LISTED and list(every[first : first + len(chosen)]) == chosen:
        return f"{chosen[0].name} … {chosen[-1].name}"
    return names(chosen)


def _some(but: Sequence[str]) -> str:
    return ", ".join(but[:4]) + (f" and {len(but) - 4} more ways" if len(but) > 4 else "")


def _worst(run: Run, choice: Choice) -> CellResult | None:
    """The red row that says most: an essential one before others, the worst outcome first."""
    rows = [row for row in run.results if row.outcome.red and not row.cell.startswith(agreement.ID)]
    return max(rows, key=lambda row: (row.cell in choice.essential, row.outcome.severity, _plain(row)), default=None)


def _plain(row: CellResult) -> bool:
    return row.cell.startswith(f"{FAMILY}/load")
