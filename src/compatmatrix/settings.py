"""What the commands hand down to whoever runs columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from compatmatrix.listings import PROBE
from compatmatrix.loading import VIRTUALCUDA
from compatmatrix.stamps import Stamps
from compatmatrix.store import STORE


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where things are, and how cells are run: on ``jobs`` processors, over all columns of the state directory.

    With 0 a column waits for none, and runs one cell at a time.
    """

    root: Path
    state: Path
    scenario_roots: tuple[Path, ...]
    isolation: str = "fork"
    fresh: bool = False
    environ: Mapping[str, str] = field(default_factory=dict)
    sources: Stamps | None = None
    jobs: int = 0

    @property
    def store(self) -> Path:
        return self.state / STORE

    @property
    def environments(self) -> Path:
        return self.state / "environments"

    @property
    def work(self) -> Path:
        return self.state / "work"

    @property
    def processors(self) -> Path:
        return self.state / "processors"

    @property
    def source_roots(self) -> tuple[Path, ...]:
        """The directories of code that the keys of results are made from: ``sources`` has stamps of their files."""
        return (*self.scenario_roots, PROBE, VIRTUALCUDA)

    def slot(self, environment: str, devices: int, worker: int) -> Path:
        """The directory that a worker's cells write to."""
        return self.work / f"{environment}-{devices}-{worker}"

    def slots(self, environment: str) -> Iterator[Path]:
        """Those that there are."""
        return self.work.glob(f"{environment}-*")

    def in_use(self, environment: str) -> Path:
        """The lock that is held while cells run in an environment."""
        return self.work / f"{environment}.lock"
