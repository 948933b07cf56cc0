"""Wrong uses of the API, which mypy must refuse: it complains of a ``type: ignore`` that is not needed. Never run."""

from compatprobe import Cell, scenario


@scenario(title="x", params={"size": (1, 2)})  # type: ignore[dict-item]
def numbers(cell: Cell, size: str) -> None:
    """The values of a parameter are strings."""


@scenario(name="no-title")  # type: ignore[call-arg]
def no_title(cell: Cell) -> None:
    """A title is required."""


@scenario(title="x", timout=3)  # type: ignore[call-arg]
def misspelt(cell: Cell) -> None:
    """There is no such argument."""


@scenario(title="x", timeout="ten")  # type: ignore[arg-type]
def words(cell: Cell) -> None:
    """A timeout is a number."""


@scenario(title="x")  # type: ignore[arg-type]
def answers(cell: Cell) -> int:
    """A scenario measures; it returns nothing."""
    return 1


def methods(cell: Cell) -> None:
    """What a cell does not offer."""
    cell.check("a number", "1", 2)  # type: ignore[arg-type]
    cell.close("no tolerance", cell.id, cell.id)  # type: ignore[call-arg]
    cell.measure("x")  # type: ignore[attr-defined]
    cell.steps.append("x")  # type: ignore[arg-type]
