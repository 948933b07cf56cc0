"""Is it transformers, or what stands beside it? A red cell again with one package changed at a time, and as shipped."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from compatmatrix import releases
from compatmatrix.bisect_measure import Candidate, Measure, of_release
from compatmatrix.errors import SelectionError
from compatmatrix.flips import Seen
from compatmatrix.matrix import Companion
from compatmatrix.pipeline import Job
from compatmatrix.results import Column, Outcome
from compatmatrix.sources import PACKAGE
from compatmatrix.store import Store

Echo = Callable[[str], None]

#: What is changed where nothing is named: what loads, places and reads weights.
USUAL = ("accelerate", "torch", "tokenizers", "safetensors", "huggingface-hub", "numpy")
#: The oldest of one package that the others allow, and that has a wheel: old source archives rarely build.
_OLDEST = {"UV_RESOLUTION": "lowest-direct", "UV_NO_BUILD": "1"}


@dataclass(frozen=True, kw_only=True)
class Tried:
    """One change and what it came to; ``version`` is what was installed, empty where nothing could be."""

    package: str
    age: str
    version: str
    seen: Seen


def run(job: Job, number: str, packages: Sequence[str], environ: Mapping[str, str], echo: Echo) -> list[Tried]:
    """Try the changes one after the other, and tell which of them makes the cell well.

    Raises :class:`SelectionError` where the cell is not red, or a package is not beside that release.
    """
    release = releases.one(PACKAGE, number, environ=environ)
    base = of_release(job.plan.matrix, release)
    with Store(job.settings.store) as store:
        measure = _measure(job, store, {})
        seen, column = measure(base), measure.column(base)
        if column is None or not seen.outcome.red:
            raise SelectionError(
                f"{measure.cell} is {seen.outcome.value} in {number}, so there is nothing to blame: {seen.told}",
                hint="name a release in which it is red; `compatmatrix flips` shows where that begins",
            )
        echo(f"{measure.cell} in {number}, today: {seen.outcome.value}: {seen.told}")
        installed = {package.name: package.version for package in column.packages}
        chosen = _chosen(packages, installed)
        found = []
        for package in chosen:
            for age, settings in (("oldest", _OLDEST), ("newest", {})):
                candidate = _with_one_free(base, installed, package, age)
                found.append(_tried(package, age, candidate, _measure(job, store, settings)))
                echo(_line(found[-1], installed[package]))
        echo(_verdict(found, installed))
        echo(_as_shipped(job, store, base, release.uploaded))
    return found


def _measure(job: Job, store: Store, more: Mapping[str, str]) -> Measure:
    settings = replace(job.settings, environ={**job.settings.environ, **more})
    return Measure(job.plan, settings, store, lambda _: None)


def _chosen(packages: Sequence[str], installed: Mapping[str, str]) -> list[str]:
    for name in packages:
        if name not in installed or name == PACKAGE:
            raise SelectionError(
                f"{name} is not beside this release", hint=f"there are: {', '.join(sorted(set(installed) - {PACKAGE}))}"
            )
    return list(packages) or [name for name in USUAL if name in installed]


def _with_one_free(base: Candidate, installed: Mapping[str, str], package: str, age: str) -> Candidate:
    """The same packages in the same versions, but one, which may be anything that fits them."""
    companions = tuple(
        Companion(package=name, requirement="" if name == package else f"=={number}", why="blamed")
        for name, number in installed.items()
        if name != PACKAGE
    )
    version = base.version.model_copy(update={"id": f"{base.version.id}+{age}-{package}"})
    matrix = base.matrix.model_copy(update={"versions": (version,), "companions": companions})
    return Candidate(name=f"{age} {package}", matrix=matrix)


def _tried(package: str, age: str, candidate: Candidate, measure: Measure) -> Tried:
    seen = measure(candidate)
    column = measure.column(candidate)
    return Tried(package=package, age=age, version=_version(column, package), seen=seen)


def _version(column: Column | None, package: str) -> str:
    packages = column.packages if column is not None else ()
    return next((each.version for each in packages if each.name == package), "")


def _line(tried: Tried, before: str) -> str:
    if not tried.version:
        return f"  {tried.package}, the {tried.age}: no answer: {tried.seen.told}"
    if tried.version == before:
        return f"  {tried.package} {before} is the {tried.age} that fits"
    told = f": {tried.seen.told}" if tried.seen.outcome.red else ""
    return f"  {tried.package} {before} → {tried.version} ({tried.age}): {tried.seen.outcome.value}{told}"


def _verdict(found: Sequence[Tried], installed: Mapping[str, str]) -> str:
    well = [each for each in found if each.seen.outcome is Outcome.PASS]
    if well:
        told = ", ".join(f"{each.package} {each.version} instead of {installed[each.package]}" for each in well)
        return f"well with {told}: not transformers alone"
    silent = [each for each in found if not each.seen.outcome.answered]
    rest = f"; {len(silent)} of {len(found)} changes gave no answer" if silent else ""
    return f"no single one of these packages makes it well: transformers itself, or several together{rest}"


def _as_shipped(job: Job, store: Store, base: Candidate, uploaded: datetime.datetime | None) -> str:
    """The era: everything as an index had it on the day after the release."""
    if uploaded is None:
        return "as shipped: the index tells no upload dates (PEP 700), so the packages of that day are not known"
    day = (uploaded + datetime.timedelta(days=1)).astimezone(datetime.timezone.utc)
    companions = tuple(each.model_copy(update={"requirement": ""}) for each in base.matrix.companions)
    version = base.version.model_copy(update={"id": f"{base.version.id}+shipped"})
    matrix = base.matrix.model_copy(update={"versions": (version,), "companions": companions})
    measure = _measure(job, store, {"UV_EXCLUDE_NEWER": f"{day:%Y-%m-%dT%H:%M:%SZ}"})
    candidate = Candidate(name="as shipped", matrix=matrix)
    seen = measure(candidate)
    column = measure.column(candidate)
    beside = [
        f"{each.package} {_version(column, each.package)}" for each in companions if _version(column, each.package)
    ]
    return (
        f"as shipped ({uploaded:%Y-%m-%d}; {', '.join(beside) or 'no environment'}): {seen.outcome.value}: {seen.told}"
    )
