"""The chaos campaign: faults injected into real runs of a tiny matrix, and what must hold afterwards."""
