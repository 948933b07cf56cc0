"""What an environment says of itself when its probe is started: what was imported, or why it could not be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from compatmatrix.errors import EnvironmentFailure
from compatmatrix.results import EnvReason


class ProbeStartError(EnvironmentFailure):
    """The environment's libraries could not be imported; ``traceback`` and ``log`` tell why.

    ``module`` is the one that could not be imported, as far as it is known; where it is ``virtualcuda``, the
    machine lacks virtual devices, and nothing is wrong with the environment.
    """

    def __init__(
        self, reason: EnvReason, message: str, *, traceback: str = "", log: str = "", module: str = ""
    ) -> None:
        hint = "look at the traceback; the companions of this version in matrix.yaml may not fit it"
        super().__init__(reason.value, message, hint=hint, log=log)
        self.traceback = traceback
        self.module = module


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What the environment said of itself after the import: versions, seconds for each import."""

    versions: dict[str, str]
    imports: dict[str, float]
    not_warmed: dict[str, str]
    threads: int

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Ready:
        """From ``ready.json``; raises ``KeyError``, ``TypeError`` or ``ValueError`` where that is not one."""
        return cls(
            versions=dict(facts["versions"]),
            imports={entry["module"]: float(entry["seconds"]) for entry in facts["imports"]},
            not_warmed=dict(facts["not_warmed"]),
            threads=int(facts["threads"]),
        )

    @property
    def seconds(self) -> float:
        return sum(self.imports.values())
