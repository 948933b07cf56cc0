"""Where scenario files are: the shipped ones, those that installed packages offer, and those that a command names.

One rule. The first root is ``scenarios/`` in the working directory, or the shipped scenarios where there is none.
What packages offer comes beside it, then what ``--scenarios`` names. Nothing is replaced; what runs is chosen by
globs. A process that is started for a column is told every root, and looks for no other (:data:`ALL_NAMED`). Nobody's
code is imported here.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from compatmatrix.errors import ScenarioError, StorageError

#: An installed package offers scenarios by an entry point of this group; its value is a package or a module.
GROUP = "compatmatrix.scenarios"
#: The variable of a process that is started for a column: ``--scenarios`` names all roots, in their order. What else is
#: there, in another directory or on another machine, would be a further root, and results would have other keys.
ALL_NAMED = "COMPATMATRIX_ALL_ROOTS_NAMED"
_HERE = Path(__file__).resolve().parent
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_OWN = "own"
#: Names of helpers: files and directories that hold no scenarios.
_HELPERS = ("_", ".")


def shipped() -> Path:
    """The shipped scenarios: inside the installed package, or beside the sources of a checkout."""
    inside = _HERE / "_shipped" / "scenarios"
    return inside if inside.is_dir() else _HERE.parent.parent / "scenarios"


def base() -> Path:
    """The first root: what it holds is imported as ``scenarios``."""
    here = Path("scenarios")
    return (here if here.is_dir() else shipped()).resolve()


def gather(named: Sequence[Path], state: Path) -> tuple[Path, ...]:
    """Every root, in the order in which the probe is given them; ``named`` are files and directories.

    A single file becomes the only file of a root that is kept below ``state``. Raises :class:`ScenarioError` for a
    place that has no scenarios, and for two roots with families of the same name.
    """
    found: list[Path] = []
    for place in named if ALL_NAMED in os.environ else (base(), *_offered(), *named):
        root = _of_file(place, state) if place.is_file() else place.resolve()
        if root not in found:
            found.append(root)
    families: dict[str, Path] = {}
    for root in found:
        for name, directory in _families(root).items():
            other = families.setdefault(name, directory)
            if other != directory:
                raise ScenarioError(
                    f"{shown(directory)}: the family {name!r} is also in {shown(other)}",
                    hint="rename one of the two: cells are named by their family",
                )
    return tuple(found)


def packages(roots: Sequence[Path]) -> dict[str, Path]:
    """The name that each root is imported by, which is the probe's own rule."""
    return {f"scenarios_{index}" if index else "scenarios": root for index, root in enumerate(roots)}


def source(roots: Sequence[Path], file: str) -> Path:
    """The file that the probe calls ``family/name.py``."""
    return next((root / file for root in roots if (root / file).is_file()), Path(file))


def shown(path: Path) -> str:
    """A path as the user would write it: relative where it is below the working directory.

    Where a root was made for a single file, it is that file.
    """
    path = path.resolve() if path.is_symlink() else path
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else str(path)


def files(root: Path) -> Iterator[Path]:
    """The scenario files of a root, as the probe finds them."""
    for path in sorted(root.glob("*/**/*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] != "common" and not any(part.startswith(_HELPERS) for part in parts):
            yield path


def warming(where: Sequence[Path]) -> str:
    """A hash of the further roots that may name modules in ``WARM``; empty where there is none.

    Such a module is imported before the cells of all families, those of the first root too.
    """
    sha, any_there = hashlib.sha256(), False
    for package, root in list(packages(where).items())[1:]:
        if not any(root.glob("*/__init__.py")):
            continue
        any_there = True
        for path in sorted(root.rglob("*.py")):
            name = path.relative_to(root)
            if path.is_file() and not any(part.startswith(".") for part in name.parts):
                sha.update(f"{package}/{name.as_posix()}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return sha.hexdigest() if any_there else ""


def single(root: Path) -> Path | None:
    """The link to the file that a root was made for; None for any other root."""
    paths = list(root.glob("*/*.py"))
    own = len(paths) == 1 and paths[0].is_symlink() and root.parent.parent.name == _OWN
    return paths[0] if own else None


def _families(root: Path) -> Mapping[str, Path]:
    """Family -> its directory (its file, for a single one); raises :class:`ScenarioError` where there is none."""
    if not root.is_dir():
        raise ScenarioError(
            f"{shown(root)}: there is no such file or directory",
            hint="name a scenario file, or a directory of families; `compatmatrix new` writes a first file",
        )
    found = {}
    for path in files(root):
        directory = root / path.relative_to(root).parts[0]
        if not _NAME.fullmatch(directory.name):
            raise ScenarioError(
                f"{shown(directory)}: {directory.name!r} cannot be the name of a family",
                hint="rename it: letters, digits, dashes and underscores",
            )
        found[directory.name.replace("_", "-")] = path if path.is_symlink() else directory
    beside = [path for path in sorted(root.glob("*.py")) if _declares(path)]
    if beside or not found:
        raise ScenarioError(
            f"{shown(beside[0])}: it is in no family" if beside else f"{shown(root)}: no scenario file is in it",
            hint="a family is a directory with files in it, such as my_model/load.py; or name the file itself: "
            f"--scenarios {shown(beside[0] if beside else root / 'my_model.py')}",
        )
    return found


def _declares(path: Path) -> bool:
    return not path.name.startswith(_HELPERS) and "@scenario" in path.read_text(encoding="utf-8", errors="replace")


def _of_file(file: Path, state: Path) -> Path:
    """A root that has this file only, in a family that is called like it; a link, so that nothing is copied."""
    name = file.stem
    if file.suffix != ".py" or not _NAME.fullmatch(name) or name == "common":
        raise ScenarioError(
            f"{file}: a scenario file is a Python file, and its name the name of its family",
            hint="call it something like my_model.py: letters, digits, dashes and underscores",
        )
    meant = file.resolve()
    digest = hashlib.sha256(str(meant).encode()).hexdigest()[:8]
    link = state.resolve() / _OWN / f"{name}-{digest}" / "scenarios" / name / file.name
    try:
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            link.symlink_to(meant)
    except FileExistsError:
        pass  # another process was faster
    except OSError as error:
        raise StorageError(f"{link}: {error}", hint="make the state directory writable, or name another") from error
    return link.parent.parent


def _offered() -> Iterator[Path]:
    """What installed packages offer, by the names of their entry points."""
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: (entry.name, entry.value)):
        place = _located(entry.value)
        if place is None:
            owner = entry.dist.name if entry.dist else "a package"
            raise ScenarioError(
                f"{owner}: its entry point {entry.name!r} offers scenarios in {entry.value!r}, which is not there",
                hint=f"install {owner} again, or uninstall it",
            )
        yield place


def _located(module: str) -> Path | None:
    """The directory of a package, or the file of a module, without importing it or what is above it."""
    top, *rest = module.partition(":")[0].strip().split(".")
    try:
        spec: ModuleSpec | None = find_spec(top)
    except (ImportError, ValueError):
        return None
    for part in rest:
        places = spec.submodule_search_locations if spec else None
        spec = PathFinder.find_spec(part, list(places)) if places else None
    if spec is None:
        return None
    places = [place for place in spec.submodule_search_locations or () if Path(place).is_dir()]
    return Path(places[0]) if places else Path(spec.origin) if spec.origin else None
