"""Texts that the model writes."""

from compatprobe import Cell, scenario

from . import _asked


@scenario(
    title="generate, greedy, cached and not",
    params=_asked.params("generate"),
    exclude=_asked.left_out("generate"),
    timeout=_asked.TIMEOUT,
)
def generate(cell: Cell, api: str, dtype: str, cache: str) -> None:
    """Each score is that of a forward pass without a cache, and each token the best by its score."""
    from . import _generate, _load, _tensors
    from ._files import Files

    model = _load.load(cell, api, dtype)
    files = Files(_asked.PATH, _asked.WEIGHTS)
    _tensors.check(cell, model, files, dtype, api)
    _generate.check(cell, model, files, cached=cache == "cached")
