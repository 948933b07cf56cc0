"""An answer in words, for a terminal. Pure; text of libraries is cut to one line."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from compatmatrix.pins import files
from compatmatrix.pins.advice import Advice, Environment, Rejected, Unserved
from compatmatrix.pins.candidates import STALE
from compatmatrix.pins.evidence import Evidence, Standing, Told
from compatmatrix.text import one_line

_NAMED = 6


def sentence(advice: Advice) -> str:
    """The answer in one sentence."""
    needs = _all_needs(len(advice.needs))
    if not advice.tested:
        stale = bool(advice.no_evidence) and all(each.why.startswith(STALE) for each in advice.no_evidence)
        return f"{'Every column of the run is stale' if stale else 'The run measured no version'}: nothing is known."
    if advice.unserved:
        names = ", ".join(each.need.glob for each in advice.unserved)
        rest = ""
        if advice.environments:
            pins = " and ".join(each.candidate.requirement for each in advice.environments)
            rest = f"; for the rest of the needs pin {pins}"
        return f"No tested version serves {one_line(names)}{rest}."
    if len(advice.environments) > 1:
        pins = ", ".join(each.candidate.requirement for each in advice.environments)
        return f"No single version serves {needs}: it takes {len(advice.environments)} environments, {pins}."
    environment = advice.environments[0]
    candidate = environment.candidate
    if len(advice.admissible) == 1:
        how = f"the only tested version that serves {needs}"
    else:
        how = f"the {advice.prefer.value} of {len(advice.admissible)} tested versions that serve {needs}"
    risks = len(advice.environments[0].risks)
    accepted = f", with {_count(risks, 'accepted risk')}" if risks else ""
    skipped = len(advice.environments[0].skipped)
    untested = f"; {_count(skipped, 'cell')} could not be tested" if skipped else ""
    lock = "; only with this lock" if files.otherwise(advice, environment) else ""
    return f"Pin {candidate.requirement}: {how}{accepted}{untested}{lock}."


def text(advice: Advice, titles: Mapping[str, str] | None = None) -> str:
    """Everything that a person wants to know before pinning; ``titles`` are those of the known issues."""
    return "\n".join(_lines(advice, titles or {})) + "\n"


def _lines(advice: Advice, titles: Mapping[str, str]) -> Iterator[str]:
    run = advice.run
    yield sentence(advice)
    yield f"Run {run.id}, finished {_day(run.finished)}. Only what was tested counts as evidence."
    if not advice.tested:
        yield "  next: nox -s matrix"
    for environment in advice.environments:
        yield ""
        yield from _environment(advice, environment, titles)
    for unserved in advice.unserved if advice.tested else ():
        yield ""
        yield from _unserved(unserved)
    of_all = " as the one version for all needs" if len(advice.needs) > 1 else ""
    for ruled_out, title in ((True, f"Ruled out{of_all}"), (False, f"Not shown to work{of_all}")):
        told = [each for each in advice.rejected if each.ruled_out is ruled_out]
        if told:
            yield ""
            yield f"{title}, each with its worst cell:"
            yield from (_rejected(each, len(advice.needs)) for each in told)
    yield ""
    yield "Not tested, so nothing is known of it:"
    yield from (f"  {line}" for line in gaps(advice))


def _environment(advice: Advice, environment: Environment, titles: Mapping[str, str]) -> Iterator[str]:
    candidate, column = environment.candidate, environment.candidate.column
    yield candidate.requirement + (f"  ({candidate.note})" if candidate.note else "")
    width = max(len(need) for need in environment.needs)
    for evidence in environment.evidence:
        yield f"  serves  {evidence.need.glob:<{width}}  {counted(evidence)}"
    times = [time for evidence in environment.evidence for time in evidence.measured]
    when = f"measured {_span(times)}; " if times else ""
    installed = [f"Python {column.python}", f"torch {column.torch}", f"accelerate {column.accelerate}"]
    yield f"  tested  {when}{', '.join(installed)}; lock {column.lock_hash[:12]}"
    if environment.risks:
        yield "  accepted risks (--allow-known):"
        by_issue: dict[str, list[Told]] = {}
        for told in environment.risks:
            by_issue.setdefault(told.known, []).append(told)
        for issue, cells in by_issue.items():
            title = f": {one_line(titles[issue], 100)}" if issue in titles else ""
            yield f"    {issue}{title} ({_count(len(cells), 'cell')}, {_outcomes(cells)}; {cells[0].cell})"
    if environment.skipped:
        reasons = Counter(one_line(told.why, 80) for told in environment.skipped)
        named = ", ".join(told.cell for told in environment.skipped[:2])
        more = f" and {len(environment.skipped) - 2} more" if len(environment.skipped) > 2 else ""
        yield f"  untested  {_count(len(environment.skipped), 'cell')} skipped ({', '.join(reasons)}): {named}{more}"
    yield from (f"  {line}" for line in files.only_this_lock(advice, environment))
    numbers = files.releases(environment.admissible, advice.tested)
    if numbers:
        yield f"  tested and admissible  {files.one_of(numbers)}"
    span, within = files.span(advice.tested, environment.admissible)
    if span:
        untested = ", ".join(f"{below} < version < {above}" for below, above in within)
        yield f"  as a range  {span}  takes in what was not tested: {untested}"
    yield f'  pyproject.toml  dependencies = ["{candidate.requirement}"]'
    yield f"  constraints.txt  {_count(files.hashed(candidate)[0], 'package')} with hashes, as tested"
    for line in [*files.without_hashes(candidate), *files.local_builds(candidate)]:
        yield f"    {line}"


def _unserved(unserved: Unserved) -> Iterator[str]:
    need = unserved.need
    yield f"{need.glob}: no tested version serves {_its(len(need.cells))}"
    if unserved.closest and unserved.evidence:
        closest, evidence = unserved.closest, unserved.evidence
        yield f"  closest  {closest.label}: {counted(evidence)}"
        for told in evidence.blockers[:_NAMED]:
            yield f"    {cell(told)}"
        if len(evidence.blockers) > _NAMED:
            yield f"    and {len(evidence.blockers) - _NAMED} more"
        known = [told for told in evidence.blockers if told.known]
        if known and len(known) == len(evidence.blockers):
            yield "  next  each of these is a known issue: accept them by --allow-known, or need less"


def _rejected(rejected: Rejected, needs: int) -> str:
    more = len(rejected.blockers) - 1
    why = cell(rejected.blockers[0]) if rejected.blockers else "nothing passed: every cell was skipped"
    rest = f"; and {_count(more, 'more cell')}" if more > 0 else ""
    failed = f" (fails {', '.join(rejected.needs)})" if len(rejected.needs) < needs else ""
    return f"  {rejected.candidate.label}: {why}{rest}{failed}"


def gaps(advice: Advice) -> list[str]:
    """What was not tested: versions between those that were, and versions of the matrix that the run does not show."""
    reasons: dict[str, list[str]] = {}
    for each in advice.no_evidence:
        reasons.setdefault(one_line(each.why), []).append(each.version)
    lines = [f"{', '.join(versions)}: {why}" for why, versions in reasons.items()]
    numbers = files.releases(advice.tested)
    between = [f"{below} < version < {above}" for below, above in pairwise(numbers)]
    if numbers:
        beyond = [f"version < {numbers[0]}", f"version > {numbers[-1]}"]
        lines.append(f"other versions: {'; '.join([*between, *beyond])}")
    return lines


def counted(evidence: Evidence) -> str:
    """``24 cells: 22 passed, 2 skipped``."""
    words = {
        Standing.WORKS: "passed",
        Standing.RISK: "accepted",
        Standing.AGAINST: "against it",
        Standing.OPEN: "without an answer",
        Standing.SKIPPED: "skipped",
    }
    counts = {standing: len(evidence.of(standing)) for standing in words}
    told = ", ".join(f"{count} {words[standing]}" for standing, count in counts.items() if count)
    return f"{_count(len(evidence.told), 'cell')}: {told}"


def cell(told: Told) -> str:
    """One cell in one line: where, how it ended, why, and the known issue."""
    known = f" [known issue {told.known}]" if told.known else ""
    outcome = "flaky" if told.flaky and told.standing is Standing.OPEN else told.outcome.value
    why = one_line(told.why.removeprefix(f"{outcome}: "), 120)
    return f"{told.cell} {outcome}" + (f": {why}" if why else "") + known


def _all_needs(count: int) -> str:
    return "the need" if count == 1 else "both needs" if count == 2 else f"all {count} needs"


def _its(cells: int) -> str:
    return "its one cell" if cells == 1 else f"all its {cells} cells"


def _outcomes(cells: Iterable[Told]) -> str:
    return ", ".join(dict.fromkeys(told.outcome.value for told in cells))


def _count(number: int, one: str) -> str:
    return f"{number} {one}" + ("" if number == 1 else "s")


def _day(when: datetime.datetime) -> str:
    return f"{when:%Y-%m-%d}"


def _span(times: Sequence[datetime.datetime]) -> str:
    first, last = _day(min(times)), _day(max(times))
    return first if first == last else f"{first} to {last}"
