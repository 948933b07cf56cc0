"""One scenario for every outcome: the tiny package's ``load`` passes, lies, raises, dies or hangs."""

from compatprobe import Cell, scenario


@scenario(title="load and compare", params={"how": ("plain", "mapped")})
def load(cell: Cell, how: str) -> None:
    """The loaded value must be 7; each version of the tiny package has its own idea."""
    load = cell.api("load")
    cell.step("load")
    value = load(how)
    cell.fact("how", how)
    cell.check("value", abs(value - 7), 0)


@scenario(title="needs a card that is not there", needs=("cuda:99",))
def card(cell: Cell) -> None:
    """Skipped everywhere."""
    cell.check("never", 1, 0)
