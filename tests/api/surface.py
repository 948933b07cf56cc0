"""The public surface of the API that scenario files are written against, as text. Read, not imported: no torch here.

python -m tests.api.surface > tests/api/surface.expected.txt
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

#: Module -> its public names. docs/scenarios.md tells of each; what is not here may change in any release.
PUBLIC: dict[str, tuple[str, ...]] = {
    "compatprobe": ("Cell", "Scenario", "Skip", "Unsupported", "scenario"),
    "scenarios.common.cards": ("NAMES", "needs"),
    "scenarios.common.checkpoint": ("Checkpoint", "seeded", "seeded_offsets", "write_checkpoint"),
    "scenarios.common.models": ("gemma", "gemma3_multimodal", "gemma3_text", "llama", "mixtral", "oneke"),
    "scenarios.common.plans": ("NAMES", "OFFLOADED", "SIMPLE", "PlanError", "came_out", "plan"),
    "scenarios.common.references.gemma": ("hidden", "logits"),
    "scenarios.common.references.gemma3_multimodal": ("hidden", "logits"),
    "scenarios.common.references.gemma3_text": ("hidden", "logits"),
    "scenarios.common.references.llama": ("hidden", "logits"),
    "scenarios.common.references.mixtral": ("hidden", "logits"),
    "scenarios.common.verify": ("agree", "as_dtype", "cast", "forward", "generate", "loaded", "tolerance"),
}


def text() -> str:
    """Every public name with its signature, its public methods and attributes."""
    blocks = (f"{module}\n" + "".join(f"    {line}\n" for line in _module(module)) for module in PUBLIC)
    return "\n".join(blocks)


def _module(module: str) -> Iterator[str]:
    for name in PUBLIC[module]:
        node = _find(module, name)
        if isinstance(node, ast.ClassDef):
            yield from _class(node)
        elif isinstance(node, ast.FunctionDef):
            yield f"{name}{_signature(node)}"
        else:
            yield name


def _find(module: str, name: str) -> ast.stmt:
    """The definition of a name, where the module defines it itself or has it from another one."""
    base = ROOT / ("src" if module.startswith("compatprobe") else ".") / module.replace(".", "/")
    file = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name:
            return node
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and name in _targets(node):
            return node
        if isinstance(node, ast.ImportFrom) and any(alias.name == name for alias in node.names):
            return _find(str(node.module), name)
    raise LookupError(f"{module} has no {name}")


def _targets(node: ast.Assign | ast.AnnAssign) -> list[str]:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [each.id for each in targets if isinstance(each, ast.Name)]


def _class(node: ast.ClassDef) -> Iterator[str]:
    bases = ", ".join(map(ast.unparse, node.bases))
    yield f"class {node.name}({bases})" if bases else f"class {node.name}"
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and (each.name == "__init__" or not each.name.startswith("_")):
            yield f"    {each.name}{_signature(each)}"
            if each.name == "__init__":
                yield from (f"    .{name}" for name in _attributes(each))
        elif isinstance(each, ast.AnnAssign):
            yield f"    .{ast.unparse(each.target)}: {ast.unparse(each.annotation)}"


def _attributes(init: ast.FunctionDef) -> list[str]:
    found = [
        node.attr for node in ast.walk(init) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    ]
    return [name for name in dict.fromkeys(found) if not name.startswith("_")]


def _signature(node: ast.FunctionDef) -> str:
    returned = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"({ast.unparse(node.args)}){returned}"


if __name__ == "__main__":
    sys.stdout.write(text())
