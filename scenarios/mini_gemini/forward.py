"""A picture and a prompt through the package's own ``forward``."""

from compatprobe import Cell, scenario

SIZES = ("2b", "7b", "13b", "34b", "8x7b")
VARIANTS = ("of-its-day", "kwargs", "passed-on")


@scenario(
    title="MiniGemini: logits for a prompt with a picture",
    params={"size": SIZES, "package": VARIANTS},
    claims=("C5.4",),
)
def forward(cell: Cell, size: str, package: str) -> None:
    """Load plainly, then one forward pass over two prompts of different length, with a picture in each."""
    from scenarios.mini_gemini import _measure

    made = _measure.prepare(cell, size, package)
    model = _measure.load(cell, made)
    _measure.verified(cell, model, made)
    _measure.forward(cell, model, made)


@scenario(
    title="MiniGemini: logits, the package ported to transformers 5",
    params={"size": SIZES},
    cures=("mini-gemini/forward",),
)
def forward_ported(cell: Cell, size: str) -> None:
    """The keywords passed on, pictures scaled as Gemma's text is, Mixtral's keys converted under the own type."""
    from scenarios.mini_gemini import _measure

    made = _measure.prepare(cell, size, "ported")
    model = _measure.load(cell, made)
    _measure.verified(cell, model, made)
    _measure.forward(cell, model, made)


@scenario(
    title="MiniGemini 2B: logits, the activation named as it was trained",
    cures=("mini-gemini/forward",),
)
def forward_tanh(cell: Cell) -> None:
    """Gemma's first configs say ``gelu`` and mean its tanh approximation (transformers#29402); here they say so."""
    from scenarios.mini_gemini import _measure

    made = _measure.prepare(cell, "2b", "of-its-day", hidden_act="gelu_pytorch_tanh")
    model = _measure.load(cell, made)
    _measure.verified(cell, model, made)
    _measure.forward(cell, model, made)
