"""What runs inside a column's environment: it measures, and reports facts, never verdicts.

This package is a program of its own. It is not installed: the host runs it by path, and it works with
the oldest and the newest transformers alike (Python 3.8 syntax, standard library; torch, transformers,
accelerate and safetensors are imported only when they are needed).

Scenario files import from here what they need to say what is tried::

    from compatprobe import Cell, scenario

    @scenario(title="AutoModel with a device map", params={"plan": ("auto", "cpu")})
    def auto_model(cell: Cell, plan: str) -> None:
        ...
"""

from compatprobe.api import Cell, Scenario, Skip, Unsupported, scenario

__all__ = ["Cell", "Scenario", "Skip", "Unsupported", "scenario"]
