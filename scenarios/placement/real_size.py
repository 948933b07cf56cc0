"""Published models at their real sizes on cards of real sizes: what lands where. Planned only; no card is used."""

from compatprobe import Cell, scenario
from scenarios.placement import _blocks
from scenarios.placement._configs import MODELS

#: The cards that are worth looking at for a model: from too few to more than enough.
_SMALL = ("1x24", "2x24")
_MEDIUM = ("1x24", "2x24", "1x80")
_LARGE = ("1x24", "2x24", "4x24", "1x80", "2x80")
_CARDS = {
    "gemma-2b": _SMALL,
    "gemma3-4b": (*_SMALL, "4x24"),
    "vicuna-7b": _SMALL,
    "llama3.1-8b": (*_SMALL, "4x24"),
    "gemma3-12b": _MEDIUM,
    "vicuna-13b": ("1x24",),
    "oneke-13b": _MEDIUM,
    "gemma3-27b": _LARGE,
    "yi-34b": _LARGE[1:],
    "mixtral-8x7b": _LARGE[1:],
    "llama3.1-70b": _LARGE[1:],
}


def _left_out(model: str, cards: str, host: str, strategy: str) -> bool:
    """Memory of the host matters where the cards are too small; ``sequential`` differs on several cards."""
    if cards not in _CARDS[model]:
        return True
    several = not cards.startswith("1x")
    if _blocks.fits(MODELS[model].config, _blocks.cards(cards)):
        return host != "no-cpu" or (strategy == "sequential" and not several)
    return strategy == "sequential"


@scenario(
    title="device_map= for a published model at its real size (planned on the meta device, no card is used)",
    params={
        "model": tuple(MODELS),
        "cards": _LARGE,
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
