"""``matrix.yaml`` as frozen models: versions with their sources, companions, selection, policy. Pure.

A mapping goes in, a :class:`Matrix` comes out, or every problem at once (``pydantic.ValidationError``,
which :mod:`compatmatrix.loading` turns into lines and suggestions). Nothing downstream sees a raw dict.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from pydantic import (
    AfterValidator,
    BaseModel,
    ByteSize,
    ConfigDict,
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    Tag,
    field_validator,
    model_validator,
)

from compatmatrix.matrix_texts import NEWEST, Commit, Id, Minor, ReleaseText, RequirementText, Specifier, Why


class Model(BaseModel):
    """Frozen, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PypiSource(Model):
    """A release from the configured index: an exact number, or ``newest``."""

    pypi: ReleaseText
    yanked: bool = Field(default=False, description="take the release although its makers have yanked it")

    def __str__(self) -> str:
        return f"transformers=={self.pypi}" if self.pypi != NEWEST else "the newest release of transformers"


class GitSource(Model):
    """A git repository at a pinned commit or at the tip of a branch."""

    git: str = Field(min_length=1, description="URL of the repository (https, ssh or file)")
    commit: Commit | None = Field(default=None, description="the full commit")
    branch: str | None = Field(default=None, min_length=1)
    tag: str | None = Field(default=None, description="the tag that the commit stands for; for readers only")
    reports: str | None = Field(default=None, description="the version that the code at the commit reports")
    checked: str | None = Field(default=None, description="how the commit was checked; for readers only")

    @model_validator(mode="after")
    def _one_of_commit_and_branch(self) -> GitSource:
        if (self.commit is None) == (self.branch is None):
            raise ValueError("a git source names exactly one of 'commit' (40 hexadecimal digits) and 'branch'")
        return self

    def __str__(self) -> str:
        at = f"branch {self.branch}" if self.branch else f"commit {(self.commit or '')[:12]}"
        return f"{self.git} at {at}"


class PathSource(Model):
    """A local directory, source archive or wheel, relative to matrix.yaml."""

    path: str = Field(min_length=1)

    def __str__(self) -> str:
        return self.path


SOURCES = {"pypi": PypiSource, "git": GitSource, "path": PathSource}


def _kind(value: Any) -> str | None:
    if isinstance(value, dict):
        return next((kind for kind in SOURCES if kind in value), None)
    return next((kind for kind, model in SOURCES.items() if isinstance(value, model)), None)


Source = Annotated[
    Annotated[PypiSource, Tag("pypi")] | Annotated[GitSource, Tag("git")] | Annotated[PathSource, Tag("path")],
    Discriminator(
        _kind,
        custom_error_type="source_kind",
        custom_error_message="a source has one of the keys 'pypi', 'git' and 'path'",
    ),
]


class SubstituteSource(Model):
    """What stands in, visibly, where no source can be reached."""

    pypi: ReleaseText
    why: Why


class Version(Model):
    """One entry of the matrix, such as ``4.46.3``, ``4.50.dev`` or ``main``."""

    id: Id
    sources: tuple[Source, ...] = Field(min_length=1, description="tried in this order")
    substitute: SubstituteSource | None = None
    python: str | None = Field(default=None, pattern=r"^3\.\d+$", description="where it differs from the default")


class Companion(Model):
    """A package that is installed beside transformers, for the versions that ``when`` admits."""

    package: Annotated[str, AfterValidator(canonicalize_name)]
    requirement: RequirementText
    when: Specifier = Field(default="", description="range of transformers versions; all where not given")
    why: Why

    def applies(self, transformers: str | None) -> bool:
        """Whether it goes beside that version; ``None``, a branch of unknown version, is newer than every release."""
        specifiers = SpecifierSet(self.when)
        if transformers is None:
            return specifiers.contains("9999", prereleases=True)
        return specifiers.contains(transformers, prereleases=True)


class Exclusion(Model):
    """Cells that are not planned, and why."""

    cells: str
    why: Why


class Selection(Model):
    """Which scenarios belong to the matrix."""

    include: tuple[str, ...] = Field(default=("*",), min_length=1)
    exclude: tuple[Exclusion, ...] = ()


class Policy(Model):
    """The limits of one cell, and what is tried again."""

    timeout_seconds: PositiveFloat = Field(default=120, description="a cell's hard limit")
    no_progress_seconds: PositiveFloat = Field(default=60, description="no step, no output")
    memory: ByteSize = Field(default=ByteSize(4 * 1024**3), description="of a cell with all its processes")
    log: ByteSize = Field(default=ByteSize(64 * 1024), description="kept of a cell's output")
    retries: Annotated[int, Field(ge=0, le=5)] = Field(default=1, description="after a crash, a timeout or oom")
    threads: PositiveInt = Field(default=1, description="of torch, in a cell")
    gpu: bool = Field(default=False, description="install a GPU build of torch")
    overdue_after_days: PositiveInt | None = Field(
        default=None, description="days after which the published report says that the next run is overdue"
    )
    site: str = Field(
        default="",
        pattern=r"^(https?://[A-Za-z0-9][A-Za-z0-9./:%~_-]*)?$",
        description="where the report is published; the links of the feed are relative without it",
    )


class Matrix(Model):
    """The whole of matrix.yaml."""

    python: Minor
    versions: tuple[Version, ...] = Field(min_length=1)
    companions: tuple[Companion, ...] = ()
    scenarios: Selection = Selection()
    policy: Policy = Policy()

    @field_validator("versions")
    @classmethod
    def _ids_are_unique(cls, versions: tuple[Version, ...]) -> tuple[Version, ...]:
        seen: dict[str, int] = {}
        for index, version in enumerate(versions):
            # Case and punctuation are not enough to tell two sessions, directories or anchors apart.
            folded = re.sub(r"[^a-z0-9]+", "-", version.id.lower())
            if (other := seen.setdefault(folded, index)) != index:
                told = f"the id {version.id!r} is there twice, or differs in punctuation only"
                raise ValueError(f"{told}: versions[{other}] and versions[{index}]")
        return versions
