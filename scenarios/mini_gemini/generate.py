"""A picture and a prompt through ``generate``: the package as it was written, and what its maintainer can do.

``generate`` passes to ``forward`` what the parent's ``prepare_inputs_for_generation`` returns, and later
versions return more than a closed list of keywords accepts (JIA-Lab-research/MGM#34, transformers#29426).
"""

from compatprobe import Cell, scenario

SIZES = ("2b", "7b", "13b", "34b", "8x7b")
CACHE = ("cache", "no-cache")


def _generate(cell: Cell, size: str, package: str, cache: str) -> None:
    from scenarios.mini_gemini import _measure

    made = _measure.prepare(cell, size, package)
    model = _measure.load(cell, made)
    _measure.verified(cell, model, made)
    _measure.generate(cell, model, made, cache == "cache")


@scenario(
    title="MiniGemini: generate, as the package was written",
    params={"size": SIZES, "cache": CACHE},
    claims=("C5.1", "C5.2", "C5.3", "C5.4", "C5.7"),
)
def generate(cell: Cell, size: str, cache: str) -> None:
    """Greedy tokens about a picture; ``forward`` has the closed keyword list of early 2024."""
    _generate(cell, size, "of-its-day", cache)


@scenario(
    title="MiniGemini: generate, new keywords accepted and ignored",
    params={"size": SIZES, "cache": CACHE},
    cures=("mini-gemini/generate",),
)
def generate_kwargs(cell: Cell, size: str, cache: str) -> None:
    """The same, with ``**kwargs`` in ``forward``: nobody reads them."""
    _generate(cell, size, "kwargs", cache)


@scenario(
    title="MiniGemini: generate, new keywords passed on",
    params={"size": SIZES, "cache": CACHE},
    cures=("mini-gemini/generate",),
)
def generate_passed_on(cell: Cell, size: str, cache: str) -> None:
    """The same, and ``forward`` hands on the keywords that this version's parent takes."""
    _generate(cell, size, "passed-on", cache)


@scenario(
    title="MiniGemini: generate, the package ported to transformers 5",
    params={"size": SIZES, "cache": CACHE},
    cures=("mini-gemini/generate",),
)
def generate_ported(cell: Cell, size: str, cache: str) -> None:
    """Passed on, and what else the newest versions ask for: see ``forward-ported``."""
    _generate(cell, size, "ported", cache)
