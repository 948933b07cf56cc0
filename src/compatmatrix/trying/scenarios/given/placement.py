"""Where a model that does not fit here would lie on cards that it fits on: planned, nothing is loaded."""

from compatprobe import Cell, scenario

from . import _asked


@scenario(
    title="device_map='auto' on cards of real sizes (planned on the meta device, no card is used)",
    params=_asked.params("placement"),
    exclude=_asked.left_out("placement"),
    timeout=_asked.TIMEOUT,
)
def placement(cell: Cell, cards: str) -> None:
    """The version's own map: nothing left out, no device over its budget; and the shapes of the file's tensors."""
    from . import _placement

    _placement.check(cell, cards)
