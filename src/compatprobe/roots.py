"""A finder that serves one top-level name for each root: scenarios live anywhere, and leak nothing.

Putting a checkout on ``sys.path`` would make everything beside the scenarios importable: tests, tools,
a directory that happens to be called ``torch``. Here a root directory *is* the package: the first one
is ``scenarios``, further ones are ``scenarios_1``, ``scenarios_2``, …
"""

import importlib.abc
import importlib.machinery
import importlib.util
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Dict, List, Optional, Sequence, Tuple

PROBE = Path(__file__).resolve().parent


def names(roots: Sequence[str]) -> Dict[str, Path]:
    """The package name of each root, in their order."""
    return {"scenarios" if not i else "scenarios_{}".format(i): r for i, r in enumerate(_resolved(tuple(roots)))}


@lru_cache(maxsize=None)  # a forked cell finds it remembered
def _resolved(roots: Tuple[str, ...]) -> Tuple[Path, ...]:
    return tuple(Path(root).resolve() for root in roots)


class Finder(importlib.abc.MetaPathFinder):
    """Finds the packages that it was given by name; their submodules are found as Python always does."""

    def __init__(self, packages: Dict[str, Path]) -> None:
        self.packages = packages

    def find_spec(
        self, fullname: str, _path: Optional[Sequence[str]] = None, _target: Optional[ModuleType] = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        """The spec of a root package, with or without an ``__init__.py``; nothing for any other name."""
        directory = self.packages.get(fullname)
        if directory is None:
            return None
        start = directory / "__init__.py"
        if start.is_file():
            return importlib.util.spec_from_file_location(
                fullname, str(start), submodule_search_locations=[str(directory)]
            )
        spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
        spec.submodule_search_locations = [str(directory)]
        return spec


def serve(packages: Dict[str, Path]) -> None:
    """Serve these packages from now on, in front of anything installed under the same names."""
    finders: List[Finder] = [finder for finder in sys.meta_path if isinstance(finder, Finder)]
    if finders:
        finders[0].packages.update(packages)
    else:
        sys.meta_path.insert(0, Finder(dict(packages)))
