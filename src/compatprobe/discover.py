"""Which scenarios there are: every scenario file is imported, without torch, and described.

A *family* is a directory of a root; its scenario files are the ``.py`` files below it. ``common``, and
every name that starts with ``_``, holds helpers. A file that cannot be imported is an error of its own:
the others are still listed.
"""

import importlib
import json
import sys
import traceback
from functools import lru_cache
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

from compatprobe import roots
from compatprobe.api import Params, Scenario
from compatprobe.sources import Sources, probe_hash


class UnknownCell(LookupError):  # noqa: N818 - it names what it is
    """No scenario file defines the cell that was asked for."""


class File(NamedTuple):
    """A scenario file: its module's name, its family as ids write it, and where it is."""

    module: str
    family: str
    path: Path
    shown: str


class Found(NamedTuple):
    """A scenario, and the file that defines it."""

    file: File
    scenario: Scenario

    @property
    def id(self) -> str:
        """``family/name``."""
        return "{}/{}".format(self.file.family, self.scenario.name)


def files(packages: Dict[str, Path]) -> Iterator[File]:
    """The scenario files under the roots, in a fixed order."""
    for package, root in packages.items():
        for path in sorted(root.glob("*/**/*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            if parts[0] != "common" and not any(part.startswith(("_", ".")) for part in parts):
                yield File(
                    ".".join((package, *parts)),
                    parts[0].replace("_", "-"),
                    path,
                    path.relative_to(root).as_posix(),
                )


def scenarios(file: File) -> List[Found]:
    """Import a file and give its scenarios, in the order in which they are written.

    A scenario that it imported from another scenario file belongs to that one. Raises whatever the file does.
    """
    module = importlib.import_module(file.module)
    values = [value for value in vars(module).values() if isinstance(value, Scenario)]
    return [Found(file, value) for value in dict.fromkeys(values) if not _imported(value, file)]


def _imported(scenario: Scenario, file: File) -> bool:
    origin = scenario.function.__module__
    family = file.module.split(".")[:2]
    helper = any(part.startswith("_") or part == "common" for part in origin.split("."))
    return origin != file.module and origin.split(".")[0] == family[0] and not helper


def find(packages: Dict[str, Path], cell: str) -> Tuple[Found, Params]:
    """The scenario and the parameters of a cell id; imports as few files as it can.

    Raises :class:`UnknownCell`, from the import error where a file of the family could not be imported.
    """
    name, bracket, rest = cell.partition("[")
    family, _, short = name.partition("/")
    near = families(tuple(packages.items())).get(family.replace("_", "-"), ())
    broken = None
    for file, _ in sorted(near, key=lambda each: _distance(each[1], short)):
        try:
            found = scenarios(file)
        except Exception as error:
            broken = broken or error
            continue
        for candidate in found:
            if candidate.scenario.name == short:
                for params in candidate.scenario.variants():
                    if Scenario.label(params) == bracket + rest:
                        return candidate, params
                raise UnknownCell("{} has no variant {}".format(name, bracket + rest or "without parameters"))
    raise UnknownCell("no scenario file defines {}".format(cell)) from broken


@lru_cache(maxsize=None)
def families(packages: Tuple[Tuple[str, Path], ...]) -> Dict[str, List[Tuple[File, str]]]:
    """The scenario files of each family, and what is written in them; nothing in one that cannot be read.

    A forked cell finds it remembered. That it still holds is the host's to see: nothing is stored once a scenario
    file has been written while cells ran.
    """
    found: Dict[str, List[Tuple[File, str]]] = {}
    for file in files(dict(packages)):
        found.setdefault(file.family, []).append((file, _text(file.path)))
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _distance(text: str, name: str) -> int:
    """How likely a file defines a scenario, likeliest first: it seems to, it mentions it, it does neither."""
    function = name.replace("-", "_")
    if 'name="{}"'.format(name) in text or "def {}(".format(function) in text:
        return 0
    return 1 if name in text or function in text else 2


def listing(directories: Sequence[str]) -> Dict[str, Any]:
    """Everything that the host wants to know before it runs anything, as JSON data."""
    packages = roots.names(directories)
    roots.serve(packages)
    sources = Sources(packages)
    found: Dict[str, Dict[str, Any]] = {}
    errors: List[Dict[str, Any]] = []
    for file in files(packages):
        try:
            entries = [_describe(one, sources) for one in scenarios(file)]
        except BaseException as error:  # a file may also call sys.exit()
            errors.append({"file": file.shown, "line": _line(error, file), "message": _message(error)})
            continue
        for entry in entries:
            if entry["id"] in found:
                first = found[entry["id"]]
                message = "{}: the same id as in {}:{}".format(entry["id"], first["file"], first["line"])
                errors.append({"file": entry["file"], "line": entry["line"], "message": message})
            else:
                found[entry["id"]] = entry
    return {
        "schema": 1,
        "probe_hash": probe_hash(roots.PROBE),
        "scenarios": list(found.values()),
        "errors": errors,
    }


def _describe(found: Found, sources: Sources) -> Dict[str, Any]:
    scenario = found.scenario
    variants = [
        {"label": Scenario.label(params), "params": params, "needs": list(scenario.needs(params))}
        for params in scenario.variants()
    ]
    labels = [variant["label"] for variant in variants]
    if len(set(labels)) < len(labels):
        raise ValueError("scenario {!r}: two variants have the same label".format(scenario.name))
    if not variants:
        raise ValueError("scenario {!r}: exclude leaves no variant".format(scenario.name))
    return {
        "id": found.id,
        "title": scenario.title,
        "family": found.file.family,
        "doc": scenario.doc,
        "file": found.file.shown,
        "line": scenario.function.__code__.co_firstlineno,
        "params": {key: list(values) for key, values in scenario.params.items()},
        "variants": variants,
        "claims": list(scenario.claims),
        "cures": list(scenario.cures),
        "timeout": scenario.timeout,
        "source_hash": sources.hash(found.file.module),
    }


def _line(error: BaseException, file: File) -> int:
    if isinstance(error, SyntaxError) and error.filename == str(file.path):
        return error.lineno or 1
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(file.path)]
    return (lines[-1] or 1) if lines else 1


def _message(error: BaseException) -> str:
    return "".join(traceback.format_exception_only(type(error), error)).strip().splitlines()[-1]


def write_listing(directories: Sequence[str], out: str) -> None:
    """The command ``list``: what scenario files print while they are imported goes to stderr."""
    sys.stdout = sys.stderr
    text = json.dumps(listing(directories), indent=1, sort_keys=True)
    Path(out).write_text(text + "\n", encoding="utf-8")
