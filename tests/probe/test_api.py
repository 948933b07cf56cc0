"""What the version itself says it lacks is unsupported; what it has and cannot import is not."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from compatprobe import Cell, Unsupported


class Lazy(ModuleType):
    """A namespace that imports on demand, as transformers' does."""

    def __getattr__(self, name: str) -> object:
        if name == "Known":
            raise ModuleNotFoundError("Could not import module 'Known'. Are this object's requirements defined?")
        if name == "Broken":
            raise AttributeError("module 'x' has no attribute 'y'") from ImportError("a requirement")
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cell:
    monkeypatch.setitem(sys.modules, "lazy", Lazy("lazy"))
    return Cell("test/test", tmp_path)


def test_a_name_that_is_not_there(cell: Cell) -> None:
    with pytest.raises(Unsupported, match=r"lazy.Absent: module 'lazy' has no attribute 'Absent'"):
        cell.api("Absent", "lazy")


@pytest.mark.parametrize(("name", "error"), [("Known", ModuleNotFoundError), ("Broken", AttributeError)])
def test_a_name_that_is_there_and_cannot_be_imported(cell: Cell, name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        cell.api(name, "lazy")


def test_a_module_that_is_not_there(cell: Cell) -> None:
    with pytest.raises(Unsupported, match=r"json\.nothing"):
        cell.api("x", "json.nothing.at.all")


def test_a_module_that_lacks_what_it_imports(cell: Cell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "needy.py").write_text("import a_requirement_that_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="a_requirement"):
        cell.api("x", "needy")
