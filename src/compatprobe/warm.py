"""What is imported once, before any cell is started, because most cells would import it each for itself.

transformers imports most of itself on first use, and a forked cell that is the first to use it pays for it, every
time. What is imported here costs a column one or two seconds and saves each cell about half of its own. A cell in
a process of its own imports the same modules in the same order, so that both kinds start from the same state. What
cannot be imported here is left: it fails again in the cell that needs it, where it is recorded.
"""

import importlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping

#: Of every version: what loading and generating need. psutil is accelerate's, and measures memory for device maps.
LIBRARIES = (
    "transformers.modeling_utils",
    "transformers.models.auto.modeling_auto",
    "transformers.generation.utils",
    "accelerate.big_modeling",
    "safetensors.torch",
    "psutil",
    "compatprobe.tensors",
)


def imports(packages: Mapping[str, Path], importing: Callable[[str], None]) -> Dict[str, str]:
    """Import what is worth it; module -> why not, for those that could not be.

    Args:
        packages: the roots of scenarios, already served; a family names its own modules in ``WARM``.
        importing: told each module before it is imported: a process that dies there is an answer too.
    """
    failed = {}
    steps: Dict[str, Callable[[], object]] = {name: _plainly(name) for name in LIBRARIES}
    steps["configurations"] = _configurations
    for name in families(packages):
        steps[name] = _plainly(name)
    for name, step in steps.items():
        importing(name)
        try:
            step()
        except Exception as error:
            failed[name] = "{}: {}".format(type(error).__name__, error)
    return failed


def families(packages: Mapping[str, Path]) -> Iterator[str]:
    """The modules that the families of these roots name in ``WARM``, in a fixed order; a broken family names none."""
    for package, root in packages.items():
        for start in sorted(root.glob("*/__init__.py")):
            try:
                family: Any = importlib.import_module("{}.{}".format(package, start.parent.name))
            except Exception:  # noqa: S112 - its cells will say so
                continue
            yield from getattr(family, "WARM", ())


def _plainly(name: str) -> Callable[[], object]:
    return lambda: importlib.import_module(name)


def _configurations() -> None:
    """Every configuration class that the version's registry knows: an auto class looks through all of them."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    for model_type in list(CONFIG_MAPPING.keys()):
        try:
            CONFIG_MAPPING[model_type]
        except Exception:  # noqa: S112 - it fails again where it is needed
            continue
