"""What a child leaves behind: how it ended, and the record of facts that it wrote. Pure, untrusted."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from compatmatrix.results import Check

How = Literal["exited", "signal", "timeout", "no-progress", "memory", "lost"]


class Unsupported(BaseModel):
    """The probe's ``unsupported`` fact: an API that the version itself says it lacks."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    evidence: str = ""


class Step(BaseModel):
    """A step that a scenario announced, and how long it took."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    seconds: float = 0.0


class RaisedFrame(BaseModel):
    """One line of a traceback, without paths."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    module: str = ""
    function: str = ""
    line: int = 0


class Link(BaseModel):
    """An exception that another one came from."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str = ""
    message: str = ""


class Raised(BaseModel):
    """The probe's ``exception`` fact."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    message: str = ""
    step: str | None = None
    frames: list[RaisedFrame] = Field(default_factory=list)
    traceback: str = ""
    chain: list[Link] = Field(default_factory=list)


class Record(BaseModel):
    """What a child writes: schema 1. Everything in it is untrusted."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    schema_number: Literal[1] = Field(alias="schema")
    cell: str
    status: Literal["done", "raised", "unsupported", "skipped"]
    message: str | None = None
    checks: list[Check] = Field(default_factory=list)
    exception: Raised | None = None
    unsupported: Unsupported | None = None
    architectures: dict[str, bool] = Field(default_factory=dict)
    answered: bool = False
    fingerprint: dict[str, Any] = Field(default_factory=dict)
    warnings: list[str] = Field(default_factory=list)
    steps: list[Step] = Field(default_factory=list)
    seconds: float = 0.0
    peak_memory: int = 0


class Ended(BaseModel):
    """How a child ended, as the host saw it."""

    model_config = ConfigDict(frozen=True)

    how: How
    number: int = 0
    seconds: float = 0.0
    peak_memory: int = 0
    log: str = ""
    record: Any = None
    record_error: str = ""
