"""What was observed: outcomes, cells, columns, runs, and their JSON. Pure; the schema is numbered.

Everything here is frozen. A reader of ``latest.json`` finds the same names there; the schema number
grows when a name changes its meaning or goes.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from enum import Enum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA: Literal[1] = 1


class Outcome(str, Enum):
    """How a cell ended: a closed set, worst first."""

    WRONG = "wrong"
    CRASH = "crash"
    OOM = "oom"
    TIMEOUT = "timeout"
    FAIL = "fail"
    ENV_FAIL = "env-fail"
    NOT_RUN = "not-run"
    SKIPPED = "skipped"
    UNSUPPORTED = "unsupported"
    PASS = "pass"

    @property
    def severity(self) -> int:
        """0 for a pass, larger for worse."""
        return len(_ORDER) - 1 - _ORDER[self]

    @property
    def red(self) -> bool:
        """The version's own fault: someone who pins it would be hurt."""
        return self in RED

    @property
    def answered(self) -> bool:
        """The version itself gave this answer; infrastructure and missing hardware do not count."""
        return self in RED or self in (Outcome.PASS, Outcome.UNSUPPORTED)


_ORDER = {outcome: index for index, outcome in enumerate(Outcome)}
RED = frozenset({Outcome.WRONG, Outcome.CRASH, Outcome.OOM, Outcome.TIMEOUT, Outcome.FAIL})

MEANING = {
    Outcome.WRONG: "loaded and answered, but a tensor or an output differs from the checkpoint's: worse than an error",
    Outcome.CRASH: "the process died",
    Outcome.OOM: "ran out of memory",
    Outcome.TIMEOUT: "ran out of time, or stood still",
    Outcome.FAIL: "raised an exception",
    Outcome.ENV_FAIL: "the environment could not be made: not the version's fault",
    Outcome.NOT_RUN: "planned, but not run",
    Outcome.SKIPPED: "this machine lacks what the scenario needs",
    Outcome.UNSUPPORTED: "the version says that it does not know this architecture or API",
    Outcome.PASS: "every check held",
}


class EnvReason(str, Enum):
    """Why a column is env-fail."""

    UNREACHABLE = "unreachable"
    NO_SUCH_RELEASE = "no-such-release"
    YANKED = "yanked"
    CONFLICT = "conflict"
    BUILD_FAILED = "build-failed"
    INSTALL_FAILED = "install-failed"
    IMPORT_FAILED = "import-failed"
    UNEXPECTED_GPU_PACKAGES = "unexpected-gpu-packages"
    DISK_FULL = "disk-full"
    INTERPRETER_MISSING = "interpreter-missing"
    TOOL_MISSING = "tool-missing"


class News(str, Enum):
    """What a reader of the last run does not know yet; judged against the ledger and the last run."""

    REGRESSED = "regressed"
    NEW = "new"
    CHANGED = "changed"
    FIXED = "fixed"
    KNOWN = "known"
    NONE = "none"

    @property
    def worth_telling(self) -> bool:
        return self not in (News.KNOWN, News.NONE)


class Model(BaseModel):
    """Frozen, closed, and written to JSON with non-finite numbers as strings."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")


class Check(Model):
    """One measurement and the limit it must keep; ``nan`` keeps none."""

    name: str
    measured: float
    limit: float
    detail: str = ""

    @property
    def holds(self) -> bool:
        return self.measured <= self.limit


class Frame(Model):
    """One line of a traceback, without paths: module, function, line."""

    module: str
    function: str
    line: int


class Failure(Model):
    """An exception, as the probe saw it. Everything in it is untrusted text."""

    type: str
    message: str
    step: str | None = None
    frames: tuple[Frame, ...] = ()
    traceback: str = ""
    chain: tuple[str, ...] = ()


class CellResult(Model):
    """One scenario variant in one column: exactly one of these for every planned cell."""

    cell: str
    version: str
    outcome: Outcome
    reason: str = ""
    signature: str | None = None
    checks: tuple[Check, ...] = ()
    failure: Failure | None = None
    fingerprint: dict[str, Any] = Field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    steps: tuple[tuple[str, float], ...] = ()
    seconds: float = 0.0
    peak_memory: int = 0
    log: str = ""
    attempts: tuple[Outcome, ...] = ()
    key: str = ""
    measured_at: datetime | None = None

    @property
    def flaky(self) -> bool:
        """Attempts at the same content ended differently."""
        return len(set(self.attempts)) > 1

    @property
    def fingerprint_digest(self) -> str:
        """A hash of the behaviour (not of times, memory or log)."""
        text = json.dumps([self.fingerprint, self.warnings], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


class Package(Model):
    """One installed distribution of a column."""

    name: str
    version: str


class Substitute(Model):
    """The column does not show the version it is named for: what it shows, and why."""

    shows: str
    because: str


class EnvFailure(Model):
    """Why a column has no environment."""

    reason: EnvReason
    message: str
    hint: str = ""
    log: str = ""


class Machine(Model):
    """A machine, as far as it bears on results; ``provides`` is a hash of what it has that cells may need."""

    system: str
    architecture: str
    python: str
    cpus: int
    memory: int
    provides: str = ""


class Column(Model):
    """A version, resolved and installed, or the reason why it could not be."""

    version: str
    source: str = ""
    transformers: str = ""
    commit: str | None = None
    substitute: Substitute | None = None
    python: str = ""
    torch: str = ""
    accelerate: str = ""
    packages: tuple[Package, ...] = ()
    lock: str = ""
    lock_hash: str = ""
    environment: str = ""
    definition: str = ""
    failure: EnvFailure | None = None
    resolved_at: datetime | None = None
    machine: Machine | None = Field(default=None, description="where the column was run: not always where it is shown")

    @property
    def ready(self) -> bool:
        return self.failure is None

    @property
    def shows(self) -> str:
        """What is really in the column: ``4.50.0 (for 4.50.dev)`` where a substitute stands in."""
        return f"{self.substitute.shows} (for {self.version})" if self.substitute else self.transformers or self.version


class Variant(Model):
    """One cell of a scenario: its label (``[tied,disk]``), parameters and needs."""

    label: str
    params: dict[str, str] = Field(default_factory=dict)
    needs: tuple[str, ...] = ()


class Scenario(Model):
    """What discovery tells of one scenario."""

    id: str
    title: str
    family: str
    doc: str = ""
    file: str = ""
    line: int = 0
    params: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
    claims: tuple[str, ...] = ()
    cures: tuple[str, ...] = ()
    timeout: float | None = None
    source_hash: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        return tuple(self.id + variant.label for variant in self.variants)


class Run(Model):
    """Everything a report is made from: ``latest.json`` is this and nothing else."""

    schema_number: Literal[1] = Field(default=SCHEMA, alias="schema", serialization_alias="schema")
    id: str
    started: datetime
    finished: datetime
    compatmatrix: str
    machine: Machine
    columns: tuple[Column, ...]
    scenarios: tuple[Scenario, ...]
    results: tuple[CellResult, ...]
    news: dict[str, dict[str, News]] = Field(default_factory=dict, description="version -> cell -> news")
    known: dict[str, dict[str, str]] = Field(default_factory=dict, description="version -> cell -> ledger entry")
    compared_with: str | None = None

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings", populate_by_name=True)

    def result(self, version: str, cell: str) -> CellResult:
        """The row of one planned cell; every planned cell has one."""
        return self._index()[version, cell]

    def _index(self) -> dict[tuple[str, str], CellResult]:
        index = self.__dict__.get("_by_cell")
        if index is None:
            index = {(row.version, row.cell): row for row in self.results}
            self.__dict__["_by_cell"] = index
        return index

    def to_json(self) -> str:
        return self.model_dump_json(by_alias=True, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Run:
        """Raises ``pydantic.ValidationError`` where the text is not a run of this schema."""
        return cls.model_validate_json(text)
