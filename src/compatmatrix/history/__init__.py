"""What earlier runs said: snapshots of runs, and what changed when."""

from compatmatrix.history.snapshot import Shown, Snapshot, snapshot
from compatmatrix.history.timeline import History, Point, timeline
from compatmatrix.history.words import Seen, cause, seen

__all__ = ["History", "Point", "Seen", "Shown", "Snapshot", "cause", "seen", "snapshot", "timeline"]
