"""Drives a probe: one process of a column's environment per cell, with limits, and nothing left behind.

The host talks to a zygote (:mod:`compatprobe.zygote`) that runs inside the column's environment. It asks
for a cell, watches time, progress and memory from outside, and gives back what can be known about how the
process ended, as plain data: :class:`compatmatrix.classify.Ended`. What that means is decided there.
"""

from compatmatrix.execute.asked import asked
from compatmatrix.execute.limits import Limits
from compatmatrix.execute.probe import Probe, Stopped
from compatmatrix.execute.ready import ProbeStartError, Ready
from compatmatrix.execute.records import forget

__all__ = ["Limits", "Probe", "ProbeStartError", "Ready", "Stopped", "asked", "forget"]
