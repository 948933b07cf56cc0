"""Plans over cards for models that are more than a decoder: names by version, proportions, maps by hand."""

from pathlib import Path

import pytest

pytest.importorskip("torch")

from scenarios.common.models_gemma3 import gemma3_multimodal
from scenarios.gemma3 import _on_cards
from scenarios.mini_gemini import _budget, _checkpoint
from scenarios.placement import _blocks
from scenarios.placement._configs import MODELS

pytestmark = pytest.mark.torch

CHOSEN = {"model.embed_tokens": 0, "model.layers.0": 0, "model.layers.1": 1, "model.norm": 1, "lm_head": 1}


@pytest.mark.parametrize(
    ("text", "head", "before"),
    [("language_model.model", "language_model.", ""), ("model.language_model", "", "model.")],
)
def test_a_map_is_written_in_the_versions_own_names(text: str, head: str, before: str) -> None:
    parts = ("embed_tokens", "layers", "layers.0", "layers.1", "norm")
    seeing = (f"{before}vision_tower", f"{before}vision_tower.vision_model", f"{before}multi_modal_projector")
    names = ["", *seeing, *(f"{text}.{part}" for part in parts), f"{head}lm_head"]
    assert _on_cards._named(names, CHOSEN) == {
        f"{before}vision_tower": 0,
        f"{before}multi_modal_projector": 0,
        f"{text}.embed_tokens": 0,
        f"{text}.layers.0": 0,
        f"{text}.layers.1": 1,
        f"{text}.norm": 1,
        f"{head}lm_head": 1,
    }


@pytest.mark.parametrize(
    ("plan", "empty"),
    [
        ("2-cards-auto", []),
        ("2-cards-even", []),
        ("3-cards-small-1", [1]),
        ("2-cards-small-0", [0]),
        ("2-cards-second", [0]),
    ],
)
def test_cards_that_a_plan_leaves_empty(tmp_path: Path, plan: str, empty: list[int]) -> None:
    assert _on_cards._empty(plan, gemma3_multimodal(tmp_path)) == empty


@pytest.mark.parametrize(("size", "model"), [("34b", "yi-34b"), ("8x7b", "mixtral-8x7b")])
def test_proportions_are_those_of_the_real_sizes(tmp_path: Path, size: str, model: str) -> None:
    config = MODELS[model].config
    weight = sum(_blocks.blocks(config).values()) * _blocks.itemsize(config)
    assert _budget._GIB[size] == round(weight / _blocks.GIB, 1)
    made = _checkpoint.write(tmp_path, size, deep=True)
    held = sum(one.numel() * one.element_size() for one in made.language.values())
    limits = _budget.arguments("3x24", size, tmp_path, made.language)["max_memory"]
    assert list(limits) == [0, 1, 2, "cpu"]
    for card in range(3):
        assert limits[card] / held == pytest.approx(24 / _budget._GIB[size], rel=1e-3)


@pytest.mark.parametrize("memory", ["2-cards", "3-cards"])
def test_a_map_by_hand_names_every_tensor_once_and_keeps_the_projector_with_the_towers(
    tmp_path: Path, memory: str
) -> None:
    made = _checkpoint.write(tmp_path, "34b")
    found = _budget.by_hand(memory, made.language)
    for name in made.language:
        assert len([module for module in found if name.startswith(module + ".")]) == 1, name
    assert {card for module, card in found.items() if "mm_projector" in module} == {0}
    layers = [card for module, card in found.items() if ".layers." in module]
    assert sorted(set(layers)) == list(range(int(memory[0])))
    assert layers == sorted(layers)
