"""Hashes over what a scenario is made of: its file, and everything under the roots that it imports.

Imports are read from the syntax tree, those inside functions too, because scenario files import their
helpers late. A string that names a module under a root counts as an import of it.
"""

import ast
import hashlib
import re
from pathlib import Path
from typing import Dict, Iterator, List, Set

_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")


class Sources:
    """Answers which files of the roots a module reaches; each file is looked for, read and parsed once."""

    def __init__(self, packages: Dict[str, Path]) -> None:
        self.packages = packages
        self._files: Dict[str, List[Path]] = {}
        self._digests: Dict[Path, bytes] = {}
        self._imports: Dict[Path, Set[str]] = {}

    def hash(self, module: str) -> str:
        """A hash over the module's file and all that it imports under the roots: paths below them, and bytes."""
        sha = hashlib.sha256()
        for name in sorted(self.closure(module)):
            for path in self.files(name):
                sha.update("{}\0".format(name).encode())
                sha.update(self._digest(path))
        return sha.hexdigest()

    def _digest(self, path: Path) -> bytes:
        if path not in self._digests:
            self._digests[path] = hashlib.sha256(path.read_bytes()).digest()
        return self._digests[path]

    def closure(self, module: str) -> Set[str]:
        """The module and, transitively, the modules under the roots that it imports."""
        found: Set[str] = set()
        waiting = [module]
        while waiting:
            name = waiting.pop()
            parts = name.split(".")
            for count in range(1, len(parts) + 1):  # importing a.b.c runs a and a.b as well
                parent = ".".join(parts[:count])
                if parent not in found and self.files(parent):
                    found.add(parent)
                    for path in self.files(parent):
                        waiting.extend(self._read(path, parent))
        return found

    def files(self, module: str) -> List[Path]:
        """The file of a module under the roots; empty where there is none."""
        if module not in self._files:
            self._files[module] = self._find(module)
        return self._files[module]

    def _find(self, module: str) -> List[Path]:
        top, _, rest = module.partition(".")
        if top not in self.packages:
            return []
        base = self.packages[top].joinpath(*rest.split(".")) if rest else self.packages[top]
        candidates = [base / "__init__.py"] + ([base.with_name(base.name + ".py")] if rest else [])
        return [path for path in candidates if path.is_file()]

    def _read(self, path: Path, module: str) -> Set[str]:
        if path not in self._imports:
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            try:
                tree = ast.parse(path.read_bytes(), str(path))
            except (SyntaxError, ValueError):
                self._imports[path] = set()  # it cannot be imported either, and is reported as broken
            else:
                self._imports[path] = set(_imported(tree, package))
        return self._imports[path]


def _imported(tree: ast.AST, package: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join(parents + ([node.module] if node.module else []))
            yield base
            for alias in node.names:
                yield "{}.{}".format(base, alias.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
            yield node.value


def probe_hash(directory: Path) -> str:
    """A hash over the probe's own sources."""
    sha = hashlib.sha256()
    for path in sorted(directory.rglob("*.py")):
        sha.update("{}\0".format(path.relative_to(directory).as_posix()).encode())
        sha.update(hashlib.sha256(path.read_bytes()).digest())
    return sha.hexdigest()
