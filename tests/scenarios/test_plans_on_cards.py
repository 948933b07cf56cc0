"""Plans over cards for models that are more than a decoder: names by version, proportions, maps by hand."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch

from compatprobe import Cell
from scenarios.common import placed, plans
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


class _Layered(torch.nn.Module):  # type: ignore[misc]  # torch is not installed where mypy runs
    """Four layers and an embedding, with a layer of a vision tower that no plan counts."""

    def __init__(self) -> None:
        super().__init__()
        names = ("embed_tokens", *(f"layers.{number}" for number in range(4)), "vision_tower.layers.0")
        self.model = torch.nn.Module()
        for name in names:
            at = self.model
            *parents, leaf = name.split(".")
            for parent in parents:
                if not hasattr(at, parent):
                    at.add_module(parent, torch.nn.Module())
                at = at.get_submodule(parent)
            at.add_module(leaf, torch.nn.Linear(1, 1, bias=False))


def _lies(monkeypatch: pytest.MonkeyPatch, *layers: str) -> _Layered:
    """A model whose parameters are said to lie on these devices, and its own map to agree; the rest on the first."""
    model = _Layered()
    names = [name for name, _ in model.named_parameters()]
    found = dict.fromkeys(names, layers[0])
    found.update({f"model.layers.{number}.weight": device for number, device in enumerate(layers)})
    monkeypatch.setattr(placed, "where", lambda _: found)
    model.hf_device_map = {name[: -len(".weight")]: device for name, device in found.items()}
    return model


@pytest.mark.parametrize(
    ("plan", "layers", "right"),
    [
        ("2-cards-even", "0011", True),
        ("2-cards-even", "0111", False),
        ("2-cards", "0111", True),
        ("2-cards", "0001", False),
        ("2-cards+cpu", ("0", "1", "cpu", "cpu"), True),
        ("2-cards+cpu", ("0", "1", "1", "cpu"), False),
        ("2-cards-auto", "0000", True),
    ],
)
def test_each_device_must_hold_the_layers_that_the_plan_wants(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plan: str, layers: Sequence[str], right: bool
) -> None:
    cell = Cell("test/test", tmp_path)
    plans.came_out(cell, _lies(monkeypatch, *layers), plan, "sequential")
    assert all(check["measured"] <= check["limit"] for check in cell.checks) == right


def test_an_explicit_map_decides_whatever_the_model_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cell = Cell("test/test", tmp_path)
    asked = {"model": 1, "model.layers.0": "cuda:0", "model.layers.1": 0}
    plans.came_out(cell, _lies(monkeypatch, *"0011"), "2-cards-map", asked)
    assert cell.checks[0]["name"] == "placed" and cell.checks[0]["measured"] == 2
    assert "model.embed_tokens.weight: on 0, the map says 1" in cell.checks[0]["detail"]


@pytest.mark.parametrize("other", ["cpu", "disk", "nowhere"])
def test_a_plan_that_is_only_named_must_use_cards(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, other: str) -> None:
    with pytest.raises(plans.PlanError, match=f"nothing but cards; parts are on {other}"):
        plans.came_out(Cell("test/test", tmp_path), _lies(monkeypatch, "0", "0", "1", other), "2-cards-auto", "auto")
