"""Scenarios of the mini matrix: what happens is decided by the tiny transformers that is installed."""
