"""The oracle is itself tested: faults planted in right loads must be found, and right loads must pass."""
