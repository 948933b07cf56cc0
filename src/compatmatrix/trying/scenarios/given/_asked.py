"""What the host found in the checkpoint, and the parameters of the scenarios, which follow from it.

It is read while the scenarios are listed: standard library only.
"""

from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Tuple

from ._target import TARGET

PATH = Path(TARGET.get("path", "."))
CONFIG: Mapping[str, Any] = TARGET.get("config", {})
#: The classes that must have a place for every tensor of the file: the one that ``config.json`` names.
WHOLE: List[str] = TARGET.get("whole", [])
#: The class that is tried in every way: that one, or another that was asked for.
PRIMARY: str = TARGET.get("primary", "")
#: The model types of the configuration and of its parts.
MODEL_TYPES: List[str] = TARGET.get("model_types", [])
#: The weight files, in the order in which they are read.
WEIGHTS: List[str] = TARGET.get("weights", [])
#: The dtype that most of the file's numbers have.
STORED: str = TARGET.get("stored", "float32")
#: Tensor -> how many of its numbers are not finite, in the file itself; and whether the host counted them.
NOT_FINITE: Mapping[str, int] = TARGET.get("not_finite") or {}
COUNTED: bool = TARGET.get("not_finite") is not None
#: Where the checkpoint's own code is, as its files name it; and whether it may be run.
CODE: List[str] = TARGET.get("code", [])
TRUST: bool = TARGET.get("trust", False)
#: Whether there is room for the model in float64 beside the model itself.
IN_FLOAT64: bool = TARGET.get("in_float64", False)
#: What ``generation_config.json`` says, if there is one.
GENERATION: Mapping[str, Any] = TARGET.get("generation", {})
TIMEOUT: float = TARGET.get("timeout", 120.0)


def params(name: str) -> Dict[str, Tuple[str, ...]]:
    """The parameters of a scenario, and the values that any of its chosen cells has."""
    chosen = TARGET.get("cells", {}).get(name, {"names": [], "cells": [[]]})
    return {
        parameter: tuple(dict.fromkeys(cell[position] for cell in chosen["cells"]))
        for position, parameter in enumerate(chosen["names"])
    }


def left_out(name: str) -> Callable[..., bool]:
    """Whether the host chose the cell of these parameters."""
    chosen = TARGET.get("cells", {}).get(name, {"names": [], "cells": [[]]})

    def test(**values: str) -> bool:
        return [values[parameter] for parameter in chosen["names"]] not in chosen["cells"]

    return test
