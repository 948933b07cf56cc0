"""Mistakes in scenario files, told before anything runs: each with its file, its line and the next step.

A helper that is not there, or a parameter that the function does not take, raises in each cell: without this it would
look as if no version could load the model.
"""

from compatmatrix.mistakes.mistake import Mistake
from compatmatrix.mistakes.texts import texts
from compatmatrix.mistakes.values import broken, values

__all__ = ["Mistake", "broken", "texts", "values"]
