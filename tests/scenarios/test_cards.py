"""Plans over several cards: the budgets, given to accelerate itself, must bring about the split that is wanted."""

import json
import os
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import accelerate
import pytest
import torch

import virtualcuda
from compatprobe import Cell
from scenarios.common import cards, layout, models, placed, plans
from scenarios.common.checkpoint import Checkpoint
from scenarios.llama import _hash_seed

pytestmark = pytest.mark.torch

_SIZES = {"num_hidden_layers": 5, "max_position_embeddings": 64}
_BY_BUDGET = [
    name
    for name in cards.NAMES
    if cards.shares(name, 5) is not None and not cards.parts(name)[1].startswith(("map", "second", "split-tie"))
]


def _inferred(made: Checkpoint, limits: dict[Any, int], dtype: torch.dtype, *, head: bool) -> dict[str, str]:
    from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(str(made.path))
    with accelerate.init_empty_weights():
        model = (AutoModelForCausalLM if head else AutoModel).from_config(config)
    model.tie_weights()
    chosen = accelerate.infer_auto_device_map(
        model, max_memory=limits, no_split_module_classes=["LlamaDecoderLayer"], dtype=dtype, clean_result=False
    )
    return {name: str(device) for name, device in chosen.items()}


@pytest.mark.parametrize("name", _BY_BUDGET)
@pytest.mark.parametrize(
    ("tied", "head", "dtype"),
    [(False, True, torch.float16), (True, True, torch.float32), (False, False, torch.float32)],
)
def test_budgets_bring_about_the_split(name: str, tied: bool, head: bool, dtype: torch.dtype, tmp_path: Path) -> None:
    made = models.llama(tmp_path, tied=tied, sizes=_SIZES)
    sizes = layout.modules(made.tensors, head=head)
    limits = cards.budgets(name, sizes, dtype.itemsize)
    inferred = _inferred(made, limits, dtype, head=head)
    for module, device in cards.place(name, sizes).items():
        key = max((key for key in inferred if (module + ".").startswith(key + ".")), key=len)
        assert inferred[key] == device, f"{module} under {limits}: {inferred}"
    assert sorted(set(inferred.values())) == cards.wanted(name)


@pytest.mark.parametrize("name", [name for name in cards.NAMES if "small" in name])
def test_a_small_card_is_too_small_for_a_layer(name: str, tmp_path: Path) -> None:
    sizes = layout.modules(models.llama(tmp_path, sizes=_SIZES).tensors)
    small = int(cards.parts(name)[1][len("small-")])
    assert 0 < cards.budgets(name, sizes, 4)[small] < 4 * sizes["model.layers.0"]
    assert str(small) not in (cards.wanted(name) or ())


def test_an_even_split_is_even() -> None:
    assert cards.shares("2-cards-even", 4) == {"0": 2, "1": None}
    assert cards.shares("3-cards-map", 4) == {"0": 1, "1": 2, "2": None}


@pytest.mark.parametrize(("tied", "together", "apart"), [(True, "0", "1"), (False, "0", "1")])
def test_a_map_keeps_the_head_or_parts_it(tied: bool, together: str, apart: str, tmp_path: Path) -> None:
    sizes = layout.modules(models.llama(tmp_path, tied=tied, sizes=_SIZES).tensors)
    assert cards.place("2-cards-map", sizes)["lm_head"] == together
    assert cards.place("2-cards-split-tie", sizes)["lm_head"] == apart
    assert cards.place("2-cards-even", sizes)["lm_head"] == ("0" if tied else "1")


def test_too_few_layers_are_refused(tmp_path: Path) -> None:
    sizes = layout.modules(models.llama(tmp_path).tensors)
    with pytest.raises(ValueError, match="3 layers are too few"):
        cards.place("2-cards+cpu+disk", sizes)


@pytest.mark.parametrize("name", [name for name in cards.NAMES if "full" not in name])
def test_every_plan_has_arguments(name: str, tmp_path: Path) -> None:
    arguments = plans.plan(name, tmp_path, models.llama(tmp_path, sizes=_SIZES).tensors)
    assert ("offload_folder" in arguments) == ("disk" in name)
    assert ("max_memory" in arguments) == (name in _BY_BUDGET)


def test_maps_take_numbers_or_names(tmp_path: Path) -> None:
    made = models.llama(tmp_path, sizes=_SIZES)
    by_number = plans.plan("2-cards-map", tmp_path, made.tensors)["device_map"]
    by_name = plans.plan("2-cards-map-named", tmp_path, made.tensors)["device_map"]
    assert {f"cuda:{device}" for device in by_number.values()} == set(by_name.values()) == {"cuda:0", "cuda:1"}
    assert by_number["model.rotary_emb"] == 0
    assert "model.rotary_emb" not in plans.plan("2-cards-map-older", tmp_path, made.tensors)["device_map"]


def _dispatched(folder: Path) -> Any:
    parts = OrderedDict(here=torch.nn.Linear(2, 2), there=torch.nn.Linear(2, 2))
    model = torch.nn.Sequential(parts)
    offloaded = {key: value for key, value in model.state_dict().items() if key.startswith("there.")}
    accelerate.utils.offload_state_dict(str(folder), offloaded)
    return accelerate.dispatch_model(model, {"here": "cpu", "there": "disk"}, offload_dir=str(folder))


def test_what_is_on_disk_is_found_there(tmp_path: Path) -> None:
    cell = Cell("test/test", tmp_path)
    model = _dispatched(tmp_path / "offload")
    assert placed.where(model) == {
        "here.weight": "cpu",
        "here.bias": "cpu",
        "there.weight": "disk",
        "there.bias": "disk",
    }
    placed.check(cell, model)
    assert cell.checks[-1]["measured"] == 0


def test_what_is_not_where_the_map_says_is_seen(tmp_path: Path) -> None:
    cell = Cell("test/test", tmp_path)
    model = _dispatched(tmp_path / "offload")
    model.hf_device_map = {"": "disk"}
    placed.check(cell, model)
    assert cell.checks[-1]["measured"] == 2
    assert "here.bias: on cpu, the map says disk" in cell.checks[-1]["detail"]
    accelerate.hooks.remove_hook_from_submodules(model)
    model.there.weight = torch.nn.Parameter(model.there.weight.to("meta"))
    assert placed.where(model)["there.weight"] == "nowhere"


_BUDGETS = """
import json, sys
import virtualcuda
virtualcuda.activate(devices=2, memory="1MiB")
import torch
from pathlib import Path
from compatprobe.api import Cell
from scenarios.common import placed
limits = json.loads(sys.argv[1])
given = {"max_memory": {int(card): limit for card, limit in limits.items()}, "device_map": {"": 1}}
budgets = placed.Budgets(given, empty=[0])
given["device_map"].clear()
model = torch.nn.Linear(64, 64, bias=False).to("cuda:1")
model.tied = model.weight
cell = Cell("test/test", Path())
budgets.check(cell, model)
print(json.dumps([cell.checks, budgets.asked]))
"""


@pytest.mark.parametrize(
    ("limit", "kept"),
    [(16383, [True, False]), (16384, [True, True])],
)
def test_budgets_see_what_is_held(limit: int, kept: list[bool]) -> None:
    reason = virtualcuda.why_unavailable()
    if reason:
        pytest.skip(reason)
    root = Path(__file__).parents[2]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(root / "src")])}
    command = [sys.executable, "-c", _BUDGETS, json.dumps({0: 100, 1: limit})]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    checks, asked = json.loads(done.stdout)
    assert [check["name"] for check in checks] == ["held by card 0", "held by card 1"]
    assert [check["measured"] <= check["limit"] for check in checks] == kept
    assert asked == {"": 1}  # as it was given, whatever a load does to it


def test_a_hash_seed_is_found_for_each_order() -> None:
    found = _hash_seed.seeds(["cuda:0", "cuda:1"])
    assert {name: _hash_seed.first_of(["cuda:0", "cuda:1"], seed) for name, seed in found.items()} == {
        "cuda:0": "cuda:0",
        "cuda:1": "cuda:1",
    }
