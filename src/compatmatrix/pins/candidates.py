"""What can be pinned: the transformers that a column really held, never the version that it is named for. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from compatmatrix.results import Column, Outcome, Run

PACKAGE = "transformers"
STALE = "stale: "
"""How the reason begins where matrix.yaml has moved on."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One version that was tested, with its lock.

    ``name`` is what people call it (``4.50.0``, or ``4.50.0.dev0 at 1c0f782fe5f9`` for a commit) and
    ``requirement`` what installs exactly it. ``released`` says whether an index has it under its number.
    """

    column: Column
    name: str
    requirement: str
    released: bool

    @property
    def number(self) -> Version:
        return Version(self.column.transformers)

    @property
    def label(self) -> str:
        """Its name, and its column where that is named for something else: two columns may hold one version."""
        return self.name if self.name == self.column.version else f"{self.name} (column {self.column.version})"

    @property
    def note(self) -> str:
        """Where it was measured, if the column is named for another version; else empty."""
        column = self.column
        if column.substitute:
            return f"measured in the column {column.version}, which showed {self.name}"
        return f"measured in the column {column.version}" if column.version != self.name else ""


@dataclass(frozen=True, kw_only=True)
class NoEvidence:
    """A version of the matrix of which the run tells nothing, and why."""

    version: str
    why: str


def candidates(
    run: Run, current: Mapping[str, str] | None = None
) -> tuple[tuple[Candidate, ...], tuple[NoEvidence, ...]]:
    """The versions that a run is evidence of, newest first; and those of the matrix that it is none of.

    ``current`` maps the ids of matrix.yaml's versions to their definitions (see ``plan.definition``): a column
    whose definition is another one by now is stale, and no evidence. None where there is no matrix.yaml.
    """
    found: dict[tuple[str, str], Candidate] = {}
    nothing: list[NoEvidence] = []
    for column in run.columns:
        why = _unusable(column, current)
        if column.substitute and not why:
            instead = f"its own source could not be reached; its column showed {column.substitute.shows} instead"
            nothing.append(NoEvidence(version=column.version, why=instead))
        requirement = "" if why else _requirement(column)
        if not why and not requirement:
            why = "it was built from a local source, which nobody else can install"
        if why:
            nothing.append(NoEvidence(version=column.version, why=why))
            continue
        released = " @ " not in requirement
        name = column.transformers if released else f"{column.transformers} at {requirement.rpartition('@')[2][:12]}"
        key = (requirement, column.lock_hash)
        # The same version with the same lock has the same results: the column that is named for it tells them.
        if key not in found or (found[key].column.substitute and not column.substitute):
            found[key] = Candidate(column=column, name=name, requirement=requirement, released=released)
    ordered = sorted(found.values(), key=lambda each: (each.number, each.released), reverse=True)
    return tuple(ordered), tuple(nothing)


def _unusable(column: Column, current: Mapping[str, str] | None) -> str:
    """Why nothing in a column is evidence; empty where it may be."""
    if column.failure:
        return f"it has no environment ({Outcome.ENV_FAIL.value}: {column.failure.reason.value})"
    if not column.transformers or not column.lock:
        return "it was not run"
    if current is not None and column.version not in current:
        return f"{STALE}matrix.yaml does not name it any more"
    if current is not None and current[column.version] != column.definition:
        return f"{STALE}matrix.yaml says something else of it since it was measured; run it again"
    try:
        Version(column.transformers)
    except InvalidVersion:
        return f"{column.transformers!r} is not a version number"
    return ""


def _requirement(column: Column) -> str:
    """The line of the lock that installs transformers, without hashes; empty where it names a local file."""
    for line in column.lock.splitlines():
        text = line.split(" \\")[0].split(" --hash")[0].strip()
        if not text or text.startswith(("#", "-")):
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) == PACKAGE:
            address = requirement.url or ""
            reachable = not address or (address.startswith(("git+https://", "git+ssh://")) and "***" not in address)
            return (f"{PACKAGE} @ {address}" if address else f"{PACKAGE}{requirement.specifier}") if reachable else ""
    return ""
