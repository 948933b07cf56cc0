"""Published models at their real sizes on cards of real sizes: what lands where. Planned only; no card is used."""

from compatprobe import Cell, scenario
from scenarios.placement import _blocks
from scenarios.placement._configs import MODELS

_CARDS = ("1x24", "2x24", "4x24", "1x80", "2x80")


def _left_out(model: str, cards: str, host: str, strategy: str) -> bool:
    """What could tell nothing new.

    Where everything fits, the host's memory is not used: planned without it. ``sequential`` differs from ``auto``
    where everything fits on several cards; where it does not, both were seen to choose the same map.
    """
    if _blocks.fits(MODELS[model].config, _blocks.cards(cards)):
        return host != "no-cpu" or (strategy == "sequential" and cards.startswith("1x"))
    return strategy == "sequential"


@scenario(
    title="device_map= for a published model at its real size (planned on the meta device, no card is used)",
    params={
        "model": tuple(MODELS),
        "cards": _CARDS,
        "host": ("no-cpu", "cpu-64"),
        "strategy": ("auto", "sequential"),
    },
    exclude=_left_out,
)
def real_size(cell: Cell, model: str, cards: str, host: str, strategy: str) -> None:
    """``from_pretrained`` with the cards' memory as ``max_memory``, stopped when the device map is chosen."""
    from scenarios.placement import _maps

    config, memory = MODELS[model].config, _maps.budgets(cards, host)
    chosen = _maps.choose(cell, config, strategy, memory)
    _maps.check(cell, config, chosen, memory)
