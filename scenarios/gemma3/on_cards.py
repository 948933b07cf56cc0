"""Gemma 3 over two and three virtual cards: its tied head, its pictures, budgets, explicit maps, decoding, saving.

The cards are emulated on the CPU (virtual CUDA), and say so among the facts of each cell.
"""

from typing import Sequence

from compatprobe import Cell, scenario
from scenarios.common import cards

#: By name; by budgets (even; a layer on each card, and the rest on the last, the CPU, the disk; a card too small
#: for one layer); by a map (numbers, ``cuda:1``; the head apart from the embedding); one card only.
_TEXT = (
    "2-cards-auto",
    "2-cards-balanced",
    "2-cards-balanced-low-0",
    "2-cards-sequential",
    "2-cards-even",
    "2-cards",
    "2-cards+cpu",
    "2-cards+disk",
    "2-cards+cpu+disk",
    "2-cards-small-0",
    "2-cards-small-1+cpu",
    "2-cards-map",
    "2-cards-map-named",
    "2-cards-split-tie",
    "2-cards-split-tie-named",
    "2-cards-second",
    "2-cards-second-named",
    "2-cards-second-string",
    "3-cards-auto",
    "3-cards-sequential",
    "3-cards-even",
    "3-cards+cpu",
    "3-cards+disk",
    "3-cards-small-0",
    "3-cards-small-1",
    "3-cards-map",
    "3-cards-split-tie-named",
)
_HALF = ("2-cards-auto", "2-cards-even", "2-cards+cpu")
_PICTURES = (
    "2-cards-auto",
    "2-cards-sequential",
    "2-cards-even",
    "2-cards+cpu",
    "2-cards+disk",
    "2-cards-small-1+cpu",
    "2-cards-map",
    "2-cards-split-tie-named",
    "2-cards-second-named",
    "3-cards-auto",
    "3-cards-even",
    "3-cards+cpu",
)
_CLASSES = {"text": "Gemma3ForCausalLM", "multimodal": "Gemma3ForConditionalGeneration"}


def _needs(plan: str, **_: str) -> Sequence[str]:
    return cards.needs(plan)


def _loads(cell: Cell, kind: str, cls: str, plan: str, dtype: str) -> None:
    from scenarios.gemma3 import _cells, _on_cards

    made = _cells.checkpoint(cell, kind, dtype)
    model, budgets = _on_cards.load(cell, made, cls, plan, dtype)
    _on_cards.check(cell, model, made, plan, dtype, budgets)
    _on_cards.answers(cell, model, made, dtype)


@scenario(
    title="Gemma 3 (text) over virtual cards: placement, weights and logits",
    params={"plan": _TEXT, "dtype": ("float32", "float16", "bfloat16")},
    exclude=lambda plan, dtype: dtype != "float32" and plan not in _HALF,
    needs=_needs,
)
def text_on_cards(cell: Cell, plan: str, dtype: str) -> None:
    """``AutoModelForCausalLM`` at a plan; every parameter where the map says, and no card over its budget."""
    _loads(cell, "text", "AutoModelForCausalLM", plan, dtype)


@scenario(
    title="Gemma 3 (text) over virtual cards, by the other classes",
    params={"cls": ("Gemma3ForCausalLM", "AutoModel"), "plan": ("2-cards-auto", "2-cards+cpu", "3-cards-auto")},
    needs=_needs,
)
def text_classes_on_cards(cell: Cell, cls: str, plan: str) -> None:
    """The class of the report, and the one without a head."""
    _loads(cell, "text", cls, plan, "float32")


@scenario(
    title="Gemma 3 (pictures) over virtual cards: placement, weights and logits",
    params={"plan": _PICTURES, "dtype": ("float32", "bfloat16")},
    exclude=lambda plan, dtype: dtype != "float32" and plan not in _HALF,
    needs=_needs,
)
def multimodal_on_cards(cell: Cell, plan: str, dtype: str) -> None:
    """``Gemma3ForConditionalGeneration``; a map or a budget puts tower and projector with the embedding."""
    _loads(cell, "multimodal", "Gemma3ForConditionalGeneration", plan, dtype)


@scenario(
    title="Gemma 3 over virtual cards: generate",
    params={
        "kind": tuple(_CLASSES),
        "plan": ("2-cards-auto", "2-cards+cpu", "3-cards-auto"),
        "cache": ("cached", "uncached"),
    },
    exclude=lambda plan, cache, **_: cache == "uncached" and plan == "3-cards-auto",
    needs=_needs,
)
def generate_on_cards(cell: Cell, kind: str, plan: str, cache: str) -> None:
    """Greedy decoding, past the sliding window (or after a picture), with the cache spread over the cards."""
    from scenarios.common import verify
    from scenarios.gemma3 import _cells, _on_cards

    made = _cells.checkpoint(cell, kind, "float32")
    model, budgets = _on_cards.load(cell, made, _CLASSES[kind], plan, "float32")
    _on_cards.check(cell, model, made, plan, "float32", budgets)
    ids, reference, given = _cells.prompts(), _cells.text_reference_of(made, "float32"), {}
    if kind == "multimodal":
        ids, types = _cells.picture_prompt(made)
        pixels = _cells.pixels(made, "float32")
        reference = _cells.picture_reference_of(made, "float32", pixels)
        given = {"pixel_values": pixels, "token_type_ids": types}
    mask = ids.new_ones(ids.shape)
    uses_cache = cache == "cached"
    verify.generate(
        cell, model, ids, reference, uses_cache, new_tokens=8, attention_mask=mask, name="generate", **given
    )


@scenario(
    title="Gemma 3 over virtual cards: save_pretrained, then from_pretrained on the CPU",
    params={"kind": tuple(_CLASSES), "plan": ("2-cards-auto", "2-cards+cpu", "3-cards-auto")},
    needs=_needs,
)
def resave_on_cards(cell: Cell, kind: str, plan: str) -> None:
    """What is spread over cards is saved whole, and the model still answers rightly afterwards."""
    from dataclasses import replace

    from scenarios.common import verify
    from scenarios.gemma3 import _cells, _on_cards

    made = _cells.checkpoint(cell, kind, "float32")
    model, budgets = _on_cards.load(cell, made, _CLASSES[kind], plan, "float32")
    _on_cards.check(cell, model, made, plan, "float32", budgets)
    saved = cell.directory / "saved"
    cell.step("save_pretrained")
    model.save_pretrained(str(saved))
    _on_cards.answers(cell, model, made, "float32", prefix="after saving: ")
    again = _cells.load(cell, replace(made, path=saved), _CLASSES[kind], torch_dtype=verify.as_dtype("float32"))
    verify.loaded(cell, again, made, name="saved tensors")
    _on_cards.answers(cell, again, made, "float32")
