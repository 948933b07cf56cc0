"""What is installed from: constraints with hashes, lines for pyproject.toml, a rule for Renovate. Pure."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from packaging.version import Version

from compatmatrix.errors import StorageError
from compatmatrix.pins.advice import Advice, Environment
from compatmatrix.pins.candidates import PACKAGE, Candidate
from compatmatrix.results import Package
from compatmatrix.text import clean

CPU_INDEX = "https://download.pytorch.org/whl/cpu"
_LIMIT = 2_000_000


def of(advice: Advice) -> dict[str, str]:
    """Every file of an answer: name -> text. Several environments have a folder each; without one there is nothing.

    Raises :class:`StorageError` where the run's lock is not the one that its hash speaks of.
    """
    found: dict[str, str] = {}
    names = [environment.candidate.name for environment in advice.environments]
    for environment in advice.environments:
        candidate = environment.candidate
        name = candidate.name if names.count(candidate.name) == 1 else candidate.label
        folder = f"{PACKAGE}-{_safe(name)}/" if len(names) > 1 else ""
        found[f"{folder}constraints.txt"] = constraints(advice, environment)
        found[f"{folder}pyproject-lines.toml"] = pyproject(advice, environment)
        found[f"{folder}renovate.json"] = renovate(advice, environment)
    return found


def constraints(advice: Advice, environment: Environment) -> str:
    """The lock that was tested, with its hashes, as it stands: for ``-c``, and where all have hashes for
    ``--require-hashes -r`` too."""
    column = environment.candidate.column
    if hashlib.sha256(column.lock.encode()).hexdigest() != column.lock_hash:
        raise StorageError(
            f"the lock of {column.version} in run {advice.run.id} is not the one that was tested: its hash differs",
            hint="take the run's latest.json as it was published, or run the matrix again",
        )
    head = [
        f"{environment.candidate.requirement} with all that it was tested with: compatmatrix run {advice.run.id}.",
        f"Serves {', '.join(environment.needs)}.",
        *only_this_lock(advice, environment),
        *without_hashes(environment.candidate),
        *local_builds(environment.candidate),
    ]
    text = "".join(f"# {clean(line, limit=2000)}\n" for line in head)
    return text + clean(column.lock, limit=_LIMIT).rstrip() + "\n"


def only_this_lock(advice: Advice, environment: Environment) -> list[str]:
    """What to know of a number that was ruled out with another lock."""
    others = ", ".join(each.column.version for each in otherwise(advice, environment))
    return [f"Only with this lock: with the lock of column {others} it does not serve this."] if others else []


def without_hashes(candidate: Candidate) -> list[str]:
    """What to know of packages whose lines have no hash."""
    _, bare = hashed(candidate)
    return [f"Without a hash: {', '.join(bare)}; leave out --require-hashes."] if bare else []


def local_builds(candidate: Candidate) -> list[str]:
    """What to know of packages that are not on PyPI under their tested version, such as ``torch 2.13.0+cpu``."""
    found = [package for package in candidate.column.packages if "+" in package.version]
    lines = []
    for package in found:
        if package.name == "torch" and package.version.endswith("+cpu"):
            lines.append(f"torch {package.version} comes from {CPU_INDEX}: add --extra-index-url {CPU_INDEX}.")
            lines.append("A GPU build of torch was not tested.")
        else:
            lines.append(f"{package.name} {package.version} is a local build: PyPI does not have it.")
    return lines


def pyproject(advice: Advice, environment: Environment) -> str:
    """The dependency for pyproject.toml (PEP 621), and for uv the other packages as they were tested."""
    candidate = environment.candidate
    others = "".join(
        f"  {_toml(f'{package.name}=={_public(package)}')},\n"
        for package in candidate.column.packages
        if package.name != PACKAGE
    )
    cut = [f"{package.name} {package.version}" for package in candidate.column.packages if "+" in package.version]
    note = f"# Tested with {', '.join(cut)}; other builds of the same version are admitted here.\n" if cut else ""
    return (
        f"# compatmatrix run {advice.run.id}: serves {_comment(', '.join(environment.needs))}\n"
        f"[project]\ndependencies = [{_toml(candidate.requirement)}]\n\n"
        f"# For uv: what it was tested with, on Python {candidate.column.python}.\n{note}"
        f"[tool.uv]\nconstraint-dependencies = [\n{others}]\n"
    )


def renovate(advice: Advice, environment: Environment) -> str:
    """A rule by which Renovate proposes only versions that were tested and serve the same needs."""
    rule: dict[str, Any] = {
        "description": f"Only versions that compatmatrix tested and that serve {', '.join(environment.needs)}",
        "matchDatasources": ["pypi"],
        "matchPackageNames": [PACKAGE],
    }
    numbers = releases(environment.admissible, advice.tested)
    if environment.candidate.released and numbers:
        rule["allowedVersions"] = f"/^(?:{'|'.join(re.escape(number) for number in numbers)})$/"
    else:
        # A commit has no place in an order of versions, and a number that works only with one lock is no rule:
        # no release may replace what is pinned unasked.
        rule["enabled"] = False
    return json.dumps({"packageRules": [rule]}, indent=2, ensure_ascii=False) + "\n"


def releases(admissible: Sequence[Candidate], tested: Sequence[Candidate] = ()) -> list[str]:
    """Numbers of the versions that an index has, ascending, each once.

    Two columns may hold one number with different locks: a number of which some ``tested`` column is not admissible
    is left out, because a number alone does not say which lock it is installed with.
    """
    good = {each.number for each in admissible if each.released}
    bad = {each.number for each in tested if each.released and each not in admissible}
    return [str(number) for number in sorted(good - bad)]


def otherwise(advice: Advice, environment: Environment) -> list[Candidate]:
    """What is pinned, with another lock with which it does not serve these needs."""
    pinned = environment.candidate
    return [
        each
        for each in advice.tested
        if each.released and pinned.released and each.number == pinned.number and each not in environment.admissible
    ]


def hashed(candidate: Candidate) -> tuple[int, list[str]]:
    """How many packages of the lock have hashes, and the names of those that have none (from git, as a rule)."""
    count, bare = 0, []
    for entry in re.split(r"\n(?=[^\s#])", candidate.column.lock):
        name = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", entry)
        if name and "--hash=" in entry:
            count += 1
        elif name:
            bare.append(name[0])
    return count, bare


def one_of(numbers: Sequence[str]) -> str:
    """``transformers in {4.46.3, 5.23.0}``, or the exact requirement where there is one only."""
    return f"{PACKAGE}=={numbers[0]}" if len(numbers) == 1 else f"{PACKAGE} in {{{', '.join(numbers)}}}"


def span(tested: Sequence[Candidate], admissible: Sequence[Candidate]) -> tuple[str, list[tuple[str, str]]]:
    """The admissible versions as a range, and the untested gaps that it takes in: pairs of versions between which
    nothing was tested. Empty where there are fewer than two.

    Every tested version in between that is not admissible, or not with every lock, is excluded by ``!=``.
    """
    good = [Version(number) for number in releases(admissible, tested)]
    if len(good) < 2:
        return "", []
    within = [Version(number) for number in releases(tested) if good[0] <= Version(number) <= good[-1]]
    bad = "".join(f",!={number}" for number in within if number not in good)
    gaps = [(str(below), str(above)) for below, above in pairwise(within)]
    return f"{PACKAGE}>={good[0]}{bad},<={good[-1]}", gaps


def _public(package: Package) -> str:
    # PEP 440: a version without a local label admits every build of it, and an index seldom has the one tested.
    return package.version.partition("+")[0]


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._+-]+", "-", name).strip("-")


def _comment(text: str) -> str:
    return clean(text, limit=2000).replace("\n", " ")


def _toml(text: str) -> str:
    """A basic string of TOML, which is written like one of JSON."""
    return json.dumps(text)
