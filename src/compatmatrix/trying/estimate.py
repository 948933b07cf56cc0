"""What loading a checkpoint takes, against the memory that is free. Bytes everywhere. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from compatmatrix.trying.found import WIDTHS, Found

GIB = 1 << 30
#: What a process has in memory with torch and transformers imported, and what a comparison needs at once.
_LIBRARIES = GIB
#: Of what is free, so much is taken: other programs want some, and an estimate is one.
_SHARE = 0.85


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The needs of one cell of each kind, and the room that there is."""

    parameters: int
    stored: int
    overhead: int
    room: int

    def load(self, width: int) -> int:
        """A plain load in numbers of this width, with the tensors of the file beside it, one at a time."""
        return self.parameters * width + self.overhead

    @property
    def by_default(self) -> int:
        """A load with nothing said: float32 in versions before 5."""
        return self.load(max(4, self.stored))

    @property
    def as_stored(self) -> int:
        return self.load(self.stored)

    @property
    def in_float64(self) -> int:
        """The model in float32, its copy in float64, and the file's tensors for a reference."""
        return self.parameters * (4 + 8 + self.stored) + self.overhead

    def fits(self, need: int) -> bool:
        return need <= self.room


def estimate(found: Found, available: int) -> Estimate:
    """By the headers (or, of pickled files, their sizes) and the memory that is available."""
    largest = max((tensor.end - tensor.start for tensor in found.tensors.values()), default=0)
    return Estimate(
        parameters=found.parameters,
        stored=WIDTHS.get(found.stored, 4),
        overhead=_LIBRARIES + (found.largest_file if found.pickled else largest),
        room=int(available * _SHARE),
    )


def limit(need: int, policy: int) -> int:
    """A cell's limit of memory: the policy's, or the next power of two of GiB that holds the need.

    Rounded, so that the limit (and with it the key of a result) does not follow every change of an estimate.
    """
    most = policy
    while most < need:
        most = GIB if most < GIB else most * 2
    return most


def seconds(need: int, policy: float) -> float:
    """A cell's limit of time: the policy's, or for large models a minute for each GiB."""
    return max(policy, 60.0 * (need // GIB))


def told(size: int) -> str:
    """``14.2 GiB``, ``310 MiB``."""
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / (1 << 20):.0f} MiB"
