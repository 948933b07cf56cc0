"""The modules below the roots, as their text tells of them."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path


class Modules:
    """Answers what can be imported from packages whose directories are given; each file is parsed once."""

    def __init__(self, directories: Mapping[str, Path]) -> None:
        self.roots = dict(directories)
        self._trees: dict[Path, ast.Module | None] = {}

    def parse(self, path: Path) -> ast.Module | None:
        """The syntax tree; None where the file cannot be parsed, which the probe says better."""
        if path not in self._trees:
            try:
                self._trees[path] = ast.parse(path.read_bytes(), str(path))
            except (SyntaxError, ValueError, OSError):
                self._trees[path] = None
        return self._trees[path]

    def find(self, module: str) -> Path | None:
        """A module's file, a package's ``__init__.py``, or the directory of a package without one."""
        top, *rest = module.split(".")
        path = self.roots[top].joinpath(*rest)
        candidates = [path / "__init__.py", *([path.with_name(path.name + ".py")] if rest else [])]
        return next((each for each in candidates if each.is_file()), path if path.is_dir() else None)

    def has(self, module: str, name: str) -> bool:
        """Whether ``from module import name`` may work (``import module`` where the name is empty)."""
        path = self.find(module)
        if path is None or name in ("", "*") or self.find(f"{module}.{name}") is not None:
            return path is not None
        tree = self.parse(path) if path.is_file() else ast.Module([], [])
        return tree is None or not {name, "*", "__getattr__"}.isdisjoint(_bound(tree))


def _bound(tree: ast.Module) -> Iterator[str]:
    """Every name that is given a value anywhere: more than can be imported, never less."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((alias.asname or alias.name).partition(".")[0] for alias in node.names)


def imported(node: ast.Import | ast.ImportFrom, package: str) -> list[tuple[str, str]]:
    """Module and name of each thing that is imported; the name is empty for a module as a whole."""
    if isinstance(node, ast.Import):
        return [(alias.name, "") for alias in node.names]
    parts = package.split(".")
    parents = parts[: len(parts) - node.level + 1] if node.level else []
    base = ".".join(parents + ([node.module] if node.module else []))
    return [(base, alias.name) for alias in node.names]
