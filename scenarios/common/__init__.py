"""What scenarios share: small checkpoints, float64 references, device plans, and the checks after a load.

These modules import torch: a scenario file imports them inside its functions, never at its top.
"""
