"""Files into models: matrix.yaml with lines and suggestions, and the discovery of scenarios."""

from __future__ import annotations

import difflib
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from compatmatrix import listings, mistakes, roots
from compatmatrix.claims import Claims
from compatmatrix.errors import InputError, MatrixError, ScenarioError
from compatmatrix.ledger import Ledger
from compatmatrix.matrix import SOURCES, Matrix
from compatmatrix.results import Scenario
from compatmatrix.text import clean, one_line

VIRTUALCUDA = listings.PROBE.parent / "virtualcuda"

M = TypeVar("M", bound=BaseModel)


def load_matrix(path: Path) -> Matrix:
    """Read matrix.yaml; raises :class:`MatrixError` with every problem, its line and a suggestion."""
    return load_yaml(path, Matrix)


def load_ledger(path: Path) -> Ledger:
    """Read the ledger of known issues; an absent file is an empty ledger."""
    return load_yaml(path, Ledger) if path.exists() else Ledger()


def load_ledgers(where: Sequence[Path]) -> Ledger:
    """The known issues of every root of scenarios that has a ``known_issues.yaml``."""
    files = [path for path in (root / "known_issues.yaml" for root in where) if path.exists()]
    issues = [issue for path in files for issue in load_ledger(path).issues]
    for id in {issue.id for issue in issues}:
        if sum(issue.id == id for issue in issues) > 1:
            named = ", ".join(map(roots.shown, files))
            raise InputError(f"{named}: the known issue {id!r} is in two of them", hint="give one of them another id")
    return Ledger(issues=tuple(issues))


def load_claims(path: Path) -> Claims:
    """Read the published claims; raises :class:`MatrixError` with every problem, its line and a suggestion."""
    return load_yaml(path, Claims)


def load_yaml(path: Path, model: type[M]) -> M:
    """Read a YAML file into a model; raises :class:`MatrixError` (all problems at once)."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such file", hint="run it beside a matrix.yaml, or name one by --matrix"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    try:
        root, data = _parse(text)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise MatrixError(str(path), [f"line {line}: not YAML: {error.problem}"]) from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise MatrixError(str(path), [f"line 1: not YAML: {error}"]) from error
    if not isinstance(data, dict):
        raise MatrixError(str(path), ["line 1: the file must be a mapping with the key 'versions'"])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # A list whose items are all wrong is also "too short": the items' own problems say it better.
        kept = [problem for problem in error.errors() if not (problem["type"] == "too_short" and problem["input"])]
        problems = [_describe(problem, root, model) for problem in kept]
        raise MatrixError(str(path), sorted(set(problems), key=_line)) from error


def _line(problem: str) -> tuple[int, str]:
    return int(problem.split(":", 1)[0].removeprefix("line ")), problem


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in one mapping, of which YAML would keep the last in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} is there twice", problem_mark=key.start_mark)
            seen.add(key.value if isinstance(key, yaml.ScalarNode) else id(key))
        return super().construct_mapping(node, deep)


def _parse(text: str) -> tuple[yaml.Node | None, Any]:
    """The text as nodes, which know their lines, and as data; read once, which takes most of the time."""
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        return root, None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def _describe(problem: Any, root: yaml.Node | None, model: type[BaseModel]) -> str:
    """One problem as ``line 7: versions[2].sorces: unknown key. Did you mean 'sources'?``."""
    node, path, line = root, "", 1
    siblings: list[str] = []
    location = problem["loc"]
    for index, part in enumerate(location):
        child, keys, at = _child(node, part)
        if child is None and problem["type"] != "missing":
            continue  # a union's tag, which the file does not have
        if isinstance(child, yaml.ScalarNode) and index + 1 < len(location):
            continue  # a union's tag that is also the key by which its kind is told
        path += f"[{part}]" if isinstance(part, int) else f"{'.' if path else ''}{part}"
        node, siblings, line = child or node, keys, at or line
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        key = str(problem["loc"][-1])
        close = difflib.get_close_matches(key, _fields_beside(siblings, model), n=1, cutoff=0.5)
        message = "unknown key" + (f". Did you mean {close[0]!r}?" if close else "")
    elif problem["type"] == "missing":
        message = "is missing"
    elif problem["type"] == "source_kind" and isinstance(problem["input"], dict):
        close = [near for key in problem["input"] for near in difflib.get_close_matches(str(key), SOURCES, 1, 0.5)]
        message += f". Did you mean {close[0]!r}?" if close else ""
    return f"line {line}: {path + ': ' if path else ''}{message}"


def _child(node: yaml.Node | None, part: int | str) -> tuple[yaml.Node | None, list[str], int | None]:
    """The node below, the keys beside it, and its line (its key's line where it has one)."""
    if isinstance(node, yaml.MappingNode):
        pairs = {key.value: (key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)}
        if part in pairs:
            key, value = pairs[part]
            return value, list(pairs), key.start_mark.line + 1
        return None, list(pairs), None
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        child = node.value[part]
        return child, [], child.start_mark.line + 1
    return None, [], None


def _fields_beside(siblings: Sequence[str], model: type[BaseModel]) -> list[str]:
    """The fields of the model (among all that make up the file) that these keys most likely belong to."""
    fields = [set(candidate.model_fields) for candidate in _models(model)]
    best = max(fields, key=lambda names: len(names & set(siblings)))
    return sorted(best - set(siblings)) or sorted(set().union(*fields))


def _models(model: type[BaseModel], seen: set[type[BaseModel]] | None = None) -> Iterator[type[BaseModel]]:
    seen = set() if seen is None else seen
    if model in seen:
        return
    seen.add(model)
    yield model
    for field in model.model_fields.values():
        for found in _inside(field.annotation):
            yield from _models(found, seen)


def _inside(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _inside(argument)


def judge_hash() -> str:
    """A hash of what makes an outcome of a record: a stored verdict is only as good as the judge that gave it."""
    here = Path(__file__).parent
    sources = [here / name for name in ("records.py", "classify.py", "redaction.py", "text.py", "results.py")]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def capabilities() -> str:
    """What this machine has that cells may need (cards, compiler, the virtual devices' source), as a hash for keys."""
    sources = sorted(path for path in VIRTUALCUDA.rglob("*") if path.suffix in (".py", ".cpp", ".h"))
    sha = hashlib.sha256(b"".join(path.read_bytes() for path in sources))
    cards = sorted(path.name for path in Path("/dev").glob("nvidia[0-9]*"))
    told = json.dumps({"cards": cards, "compiler": shutil.which("g++"), "virtualcuda": sha.hexdigest()})
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def discover(where: Sequence[Path], *, shared: Path | None = None) -> tuple[tuple[Scenario, ...], str]:
    """The scenarios under the roots, and the hash of the probe itself.

    Scenario files are imported by the probe in a process of its own, never by the host. ``shared`` is a file in which
    the processes of one run tell one another what they found: files that nobody has touched since are not listed
    again. Raises :class:`ScenarioError` with every mistake in them.
    """
    key = listings.key(where) if shared else ""
    if shared and (known := listings.recall(shared, key)):
        return tuple(map(Scenario.model_validate, known["scenarios"])), str(known["probe_hash"])
    found = listings.listing(where)
    entries, told = found["scenarios"], list(mistakes.broken(where, found["errors"]))
    if not told:  # what a scenario says of another one means something only where all could be read
        told += mistakes.values(where, entries)
    told += mistakes.texts(where, entries, skip=roots.shipped().resolve())
    if told:
        by_line = {(each.file, each.line): each for each in reversed(told)}
        raise ScenarioError(
            "scenario files cannot be used:\n" + "\n".join(str(by_line[place]) for place in sorted(by_line)),
            hint="correct the files; `compatmatrix check` reads them without running anything",
        )
    if not entries:
        raise ScenarioError(f"no scenario under {', '.join(map(roots.shown, where))}", hint="see docs/scenarios.md")
    scenarios, probe_hash = tuple(Scenario.model_validate(_shown(entry)) for entry in entries), found["probe_hash"]
    if shared and key:
        told_others = [scenario.model_dump(mode="json") for scenario in scenarios]
        listings.keep(shared, key, {"scenarios": told_others, "probe_hash": probe_hash})
    return scenarios, probe_hash


def _shown(entry: dict[str, Any]) -> dict[str, Any]:
    """A scenario with the texts that are only shown cleaned: they stand in every report."""
    return {**entry, "title": one_line(str(entry["title"])), "doc": clean(str(entry["doc"]), limit=10_000)}
