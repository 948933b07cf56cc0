"""Mistakes that the text of scenario files shows; the files are parsed, not imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from compatmatrix import roots
from compatmatrix.mistakes.mistake import Mistake
from compatmatrix.mistakes.modules import Modules, imported

_COMPATPROBE = Path(__file__).resolve().parents[2] / "compatprobe"


def texts(where: Sequence[Path], entries: Sequence[Mapping[str, Any]], *, skip: Path) -> Iterator[Mistake]:
    """Imports that lead nowhere, parameters that a function does not take, and a ``WARM`` that is no list of names.

    ``skip`` is the root of the shipped scenarios, which are tested here, and need not be read each time.
    """
    known = Modules({**roots.packages(where), "compatprobe": _COMPATPROBE})
    for package, root in roots.packages(where).items():
        for path in sorted(root.rglob("*.py")) if root != skip else ():
            tree = known.parse(path)
            if tree is not None:
                module = ".".join((package, *path.relative_to(root).with_suffix("").parts))
                yield from _imports(tree, module, path, known)
                if path == root / path.parent.name / "__init__.py":
                    yield from _warm(tree, path)
    for entry in entries:
        path = roots.source(where, entry["file"])
        tree = None if path.is_relative_to(skip) else known.parse(path)
        wrong = _not_taken(tree, entry) if tree is not None else []
        if wrong:
            told = f"{entry['id']}: params and the arguments of its function differ: {', '.join(wrong)}"
            advice = "the function takes the cell, and an argument for each key of params"
            yield Mistake(roots.shown(path), entry["line"], told, advice)


def _imports(tree: ast.Module, module: str, path: Path, known: Modules) -> Iterator[Mistake]:
    package = module.removesuffix(".__init__") if path.name == "__init__.py" else module.rpartition(".")[0]
    # An import that may fail, and is caught, is no mistake.
    caught = {id(node) for each in ast.walk(tree) if isinstance(each, ast.Try) for node in ast.walk(each)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)) and id(node) not in caught:
            for wanted, name in imported(node, package):
                if wanted.partition(".")[0] not in known.roots or known.has(wanted, name):
                    continue
                missing = f"there is no module {wanted}" if known.find(wanted) is None else f"{wanted} has no {name}"
                yield Mistake(roots.shown(path), node.lineno, missing, _next(wanted, node, path, known))


def _warm(tree: ast.Module, path: Path) -> Iterator[Mistake]:
    """The probe would import each letter of a string, and tells nobody of what cannot be imported."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        given = getattr(node, "value", None)
        if given is None or not any(isinstance(each, ast.Name) and each.id == "WARM" for each in targets):
            continue
        parts = given.elts if isinstance(given, (ast.Tuple, ast.List)) else [given]
        names = all(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in parts)
        if not names or parts == [given]:
            advice = "write it as a tuple, with a comma: WARM = ('my_package.my_module',)"
            yield Mistake(roots.shown(path), node.lineno, "WARM must be a tuple or a list of strings", advice)


def _next(wanted: str, node: ast.Import | ast.ImportFrom, path: Path, known: Modules) -> str:
    if wanted.startswith("scenarios.common") and not (known.roots["scenarios"] / "common").is_dir():
        return (
            "scenarios/ in this directory takes the place of the shipped scenarios and their helpers: "
            "call it otherwise, and name it by --scenarios"
        )
    if path.is_symlink() and isinstance(node, ast.ImportFrom) and node.level:
        return "a single file stands alone; name a directory of families by --scenarios, and put the helper into one"
    return ""


def _not_taken(tree: ast.Module, entry: Mapping[str, Any]) -> list[str]:
    """Keys of ``params`` that the function of a scenario does not take, and arguments that none of them gives."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and _first_line(node) == entry["line"]:
            given = node.args
            names = [each.arg for each in (*given.posonlyargs, *given.args)][1:]
            optional = names[len(names) - len(given.defaults) :]
            names += [each.arg for each in given.kwonlyargs]
            optional += [each.arg for each, default in zip(given.kwonlyargs, given.kw_defaults, strict=True) if default]
            lacking = [] if given.kwarg else [key for key in entry["params"] if key not in names]
            return lacking + [name for name in names if name not in entry["params"] and name not in optional]
    return []


def _first_line(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return min([node.lineno, *(each.lineno for each in node.decorator_list)])
