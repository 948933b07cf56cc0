"""The faults, by what they strike; importing this registers all of them."""

from tests.chaos.faults import clock, damage, disk, network, processes, together

__all__ = ["clock", "damage", "disk", "network", "processes", "together"]
