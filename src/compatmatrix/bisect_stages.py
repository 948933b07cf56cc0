"""The stages of a bisection: choose the candidates, verify both ends, search, and tell what was found."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from packaging.version import Version as Number

from compatmatrix import bisect, pipeline, releases
from compatmatrix.bisect import Found, Judge, Verdict
from compatmatrix.bisect_git import Clone
from compatmatrix.bisect_measure import Candidate, Measure, of_commit, of_release, with_companions
from compatmatrix.errors import EnvironmentFailure, SelectionError
from compatmatrix.flips import Seen
from compatmatrix.matrix import GitSource
from compatmatrix.pipeline import Job
from compatmatrix.releases import Release
from compatmatrix.results import Outcome
from compatmatrix.sources import PACKAGE
from compatmatrix.store import Store

Echo = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Question:
    """What is asked: where between two releases of ``over`` the cell changed, at one transformers where that is fixed.

    ``good`` may be empty: the way back from ``bad`` finds one. ``git`` is the repository to go on in, empty for none.
    """

    good: str
    bad: str
    over: str = PACKAGE
    at: str = ""
    git: str = ""


def load(cell: str, **given: Any) -> Job:
    """The job of one cell; raises :class:`SelectionError` where it is not exactly one."""
    job = pipeline.load(**given, cells=[cell])
    if len(job.plan.cells) != 1:
        raise SelectionError(
            f"{cell!r} means {len(job.plan.cells)} cells, and one is needed",
            hint=f"name one of them, such as {job.plan.cells[0].id!r}",
        )
    return job


def default_git(job: Job) -> str:
    """The first git source of matrix.yaml, if there is one."""
    sources = [source for version in job.plan.matrix.versions for source in version.sources]
    return next((source.git for source in sources if isinstance(source, GitSource)), "")


def run(job: Job, question: Question, environ: Mapping[str, str], echo: Echo) -> None:
    """Answer the question, in lines."""
    with Store(job.settings.store) as store:
        measure = Measure(job.plan, job.settings, store, lambda line: echo(f"  {line}"))
        listed = releases.public(
            releases.find(question.over, "", environ=environ, prereleases=_is_prerelease(question))
        )
        candidates = _candidates(job, question, listed, environ)
        echo(f"{measure.cell} over {question.over}, {len(listed)} releases in the index")
        good, bad = _ends(question, listed, candidates, measure, echo)
        found, judge = _search(candidates, good, bad, measure)
        for line in _told(candidates, found, measure):
            echo(line)
        _other_places(candidates, good, bad, found, measure, judge, echo)
        if question.git and question.over == PACKAGE:
            _commits(job, question, candidates, found, measure, judge, echo)
        echo("see it: " + _command(measure.cell, question, listed[found.good], listed[found.bad]))


def _is_prerelease(question: Question) -> bool:
    return any(end and Number(end).is_prerelease for end in (_number(question.good), _number(question.bad)))


def _number(text: str) -> str:
    return releases.number(text) if text else ""


def _candidates(job: Job, question: Question, listed: Sequence[Release], environ: Mapping[str, str]) -> list[Candidate]:
    if question.over == PACKAGE:
        return [of_release(job.plan.matrix, release) for release in listed]
    if not question.at:
        raise SelectionError(f"over {question.over}: beside which transformers?", hint="name a release by --at")
    base = of_release(job.plan.matrix, releases.one(PACKAGE, question.at, environ=environ))
    return [with_companions(base, {question.over: release.version}, "bisected") for release in listed]


def _ends(
    question: Question, listed: Sequence[Release], candidates: Sequence[Candidate], measure: Measure, echo: Echo
) -> tuple[int, int]:
    bad = _place(listed, question.bad)
    if question.good:
        return _place(listed, question.good), bad
    end = measure(candidates[bad])
    if not end.outcome.red:
        raise SelectionError(
            f"{candidates[bad].name} is {end.outcome.value}, not red", hint="name both ends by --good and --bad"
        )
    echo("no good end was named: going back in growing steps")

    def ask(index: int) -> Verdict:
        seen = measure(candidates[index])
        # What a release does not support was never well in it.
        return Verdict.GOOD if seen.outcome is Outcome.PASS else Verdict.BAD if seen.outcome.red else Verdict.SKIP

    good = bisect.back(bad, ask)
    if good is None:
        raise SelectionError(f"no release back to {listed[0].version} passes", hint="name one by --good")
    return good, bad


def _place(listed: Sequence[Release], wanted: str) -> int:
    number = _number(wanted)
    for index, release in enumerate(listed):
        if release.version == number:
            return index
    raise SelectionError(
        f"the index has no release {wanted!r}", hint=f"it has {listed[0].version} to {listed[-1].version}"
    )


def _search(candidates: Sequence[Candidate], good: int, bad: int, measure: Measure) -> tuple[Found, Judge]:
    """Both ends are measured first: a wrong belief about one of them would make the rest a waste."""
    judge = Judge(good=measure(candidates[good]), bad=measure(candidates[bad]))
    return bisect.search(good, bad, lambda index: judge(measure(candidates[index]))), judge


def _told(candidates: Sequence[Candidate], found: Found, measure: Measure) -> list[str]:
    old, new = measure.known(candidates[found.good]), measure.known(candidates[found.bad])
    skipped = [candidates[index].name for index in found.skipped]
    head = f"{'first' if found.bad > found.good else 'last'} bad: {candidates[found.bad].name}"
    if skipped:
        head += f", or one of {', '.join(skipped)}, which gave no answer"
    return [
        head,
        f"  good: {candidates[found.good].name}  {_short(old)}",
        f"  bad:  {candidates[found.bad].name}  {_short(new)}",
        *_packages(candidates[found.good], candidates[found.bad], measure),
    ]


def _short(seen: Seen | None) -> str:
    if seen is None:
        return ""
    behaviour = f" (behaviour {seen.behaviour})" if seen.behaviour else ""
    return f"{seen.outcome.value}: {seen.told}{behaviour}"


def _packages(good: Candidate, bad: Candidate, measure: Measure) -> list[str]:
    """What else differs between the two environments: a change may be a dependency's."""
    one, other = measure.column(good), measure.column(bad)
    if one is None or other is None:
        return []
    before = {package.name: package.version for package in one.packages}
    after = {package.name: package.version for package in other.packages}
    names = sorted(before.keys() | after.keys())
    changed = [
        f"{name} {before.get(name, 'none')} → {after.get(name, 'none')}"
        for name in names
        if before.get(name) != after.get(name)
    ]
    return [f"  packages that differ: {', '.join(changed)}"] if changed else []


def _other_places(
    candidates: Sequence[Candidate], good: int, bad: int, found: Found, measure: Measure, judge: Judge, echo: Echo
) -> None:
    """Say what lies untested between the ends, and whether something known speaks against a single change."""
    low, high = sorted((good, bad))
    untested, against = 0, []
    for index in range(low, high + 1):
        seen = measure.known(candidates[index])
        if seen is None:
            untested += index not in found.skipped
            continue
        before = abs(index - good) <= abs(found.good - good)
        if judge(seen) is (Verdict.BAD if before else Verdict.GOOD):
            against.append(candidates[index].name)
    if untested:
        echo(f"  not measured between the ends: {untested} of {high - low + 1}; each may be another change")
    if against:
        echo(f"  not the only change: {', '.join(against)} did otherwise; `compatmatrix flips` lists all that is known")


def _commits(
    job: Job,
    question: Question,
    candidates: Sequence[Candidate],
    found: Found,
    measure: Measure,
    judge: Judge,
    echo: Echo,
) -> None:
    """Go on between the commits of the two releases; where that cannot be, say why, and leave it at the release.

    The judge is that of the releases, and so are the ends: another change than theirs is not what was asked for.
    """
    clone = Clone(question.git, job.settings.state, job.settings.environ)
    old, new = (candidates[index].name for index in sorted((found.good, found.bad)))
    try:
        clone.update()
        line = clone.line(f"v{old}", f"v{new}")
    except EnvironmentFailure as error:
        echo(f"commits: {error.message}")
        return
    echo(f"commits between v{old} and v{new}: {len(line.commits) - 1}")
    commits = [of_commit(job.plan.matrix, question.git, commit) for commit in line.commits]
    ends = (0, len(commits) - 1) if found.good < found.bad else (len(commits) - 1, 0)
    for index, place in zip(ends, (found.good, found.bad), strict=True):
        seen, released = measure(commits[index]), measure(candidates[place])
        if seen.outcome is not released.outcome or judge(seen) is not judge(released):
            echo(
                f"commits: {commits[index].name} does otherwise than {candidates[place].name} ({_short(seen)}, not "
                f"{_short(released)}); the change is not on the way from one to the other"
            )
            return
    inner = bisect.search(*ends, lambda index: judge(measure(commits[index])))
    for told in _told(commits, inner, measure):
        echo(told)
    _other_places(commits, *ends, inner, measure, judge, echo)
    for index in (*inner.skipped, inner.bad):
        echo(f"  {line.commits[index]}  {line.subjects[line.commits[index]]}")


def _command(cell: str, question: Question, good: Release, bad: Release) -> str:
    if question.over == PACKAGE:
        return f"compatmatrix sweep '=={bad.version}' --cells {shlex.quote(cell)} --fresh"
    ends = f"--good {good.version} --bad {bad.version}"
    return f"compatmatrix bisect {shlex.quote(cell)} --over {question.over} --at {question.at} {ends} --fresh"
