"""The same questions to a real card and to a virtual one: ``python -m tests.virtualcuda.card``."""
