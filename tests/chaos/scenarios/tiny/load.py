"""Cells for the chaos campaign: one passes, one lies, one raises, one needs a file late, one takes its time."""

import time

from compatprobe import Cell, scenario


@scenario(title="load and compare", params={"how": ("plain", "mapped")})
def load(cell: Cell, how: str) -> None:
    """The loaded value must be 7; each version of the tiny package has its own idea."""
    cell.step("load")
    value = cell.api("load")(how)
    cell.fact("how", how)
    cell.check("value", abs(value - 7), 0)


@scenario(title="imports a part of the library only now")
def late(cell: Cell) -> None:
    """What is lost from the environment in mid-run is missed here."""
    import transformers.late

    cell.check("value", abs(transformers.late.answer() - 7), 0)


@scenario(title="takes its time")
def slow(cell: Cell) -> None:
    """Long enough to be struck in its middle; it writes and reads as a load does."""
    for number in range(6):
        cell.step(f"part {number}")
        file = cell.directory / f"part-{number}"
        file.write_bytes(b"7" * 4096)
        time.sleep(0.08)
        cell.check(f"part {number}", len(file.read_bytes()) - 4096, 0)


@scenario(title="needs a card that is not there", needs=("cuda:99",))
def card(cell: Cell) -> None:
    """Skipped everywhere."""
    cell.check("never", 1, 0)
