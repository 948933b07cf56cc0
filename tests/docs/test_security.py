"""What SECURITY.md promises of the host's code, read from the code itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from compatmatrix import loading

ROOT = Path(__file__).parents[2]
#: Run in a column's environment, as a scenario is.
COLUMNS = ROOT / "src" / "compatmatrix" / "trying" / "scenarios"
HOST = sorted(
    path
    for package in ("compatmatrix", "compatprobe")
    for path in (ROOT / "src" / package).rglob("*.py")
    if COLUMNS not in path.parents
)
#: Reading any of these runs what the file says.
MODULES = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle", "pty"}
#: And these, wherever they are found: ``pandas.read_pickle``, ``torch.load``, ``yaml.load``, ``numpy.load``.
CALLS = {"read_pickle", "to_pickle", "unsafe_load", "full_load", "eval", "exec"}
SAFE = "Loader=_Loader)"
LOADERS = {"torch", "numpy", "np", "yaml", "joblib"}


def offences(source: str) -> Iterator[str]:
    """What a module does that would run code out of data, with its line."""
    tree = ast.parse(source)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node).endswith(SAFE)]
    safe = [node.func for node in calls]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (f"{node.lineno}: {name.name}" for name in node.names if name.name.split(".")[0] in MODULES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in MODULES:
            yield f"{node.lineno}: {node.module}"
        elif isinstance(node, ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else ""
            if node.attr in CALLS or (node.attr == "load" and owner in LOADERS and node not in safe):
                yield f"{node.lineno}: {owner}.{node.attr}"
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in CALLS | {"__import__"}:
                yield f"{node.lineno}: {node.func.id}"
            if any(word.arg == "shell" for word in node.keywords):
                yield f"{node.lineno}: shell"


@pytest.mark.parametrize("path", HOST, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_the_host_and_the_probe_run_no_data(path: Path) -> None:
    assert list(offences(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "import a, joblib.memory",
        "from pickle import loads",
        "pd.read_pickle('x')",
        "torch.load('x')",
        "np.load('x', allow_pickle=True)",
        "yaml.load(text)",
        "eval('1')",
        "__import__('pickle')",
        "subprocess.run('x', shell=True)",
    ],
)
def test_what_would_be_found(source: str) -> None:
    assert len(list(offences(source))) == 1


def test_yaml_is_read_by_a_safe_loader() -> None:
    assert issubclass(loading._Loader, yaml.SafeLoader)


def test_it_is_promised_and_linked() -> None:
    promise = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert "The host's own code reads no pickle" in promise
    assert "With `--executor dask`, Dask's `distributed` unpickles" in promise
    assert "](SECURITY.md)" in (ROOT / "README.md").read_text(encoding="utf-8")
