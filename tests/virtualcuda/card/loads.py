"""Loads with one card, by the scenarios' own functions: outcome, map, where each parameter is, checks, tokens."""

import json
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from compatprobe import Cell, Unsupported
from scenarios.common import cards, placed, plans, verify
from scenarios.gemma3 import on_cards
from scenarios.llama import cards as llama
from scenarios.mini_gemini import _budget, device_map
from scenarios.oneke import script
from tests.virtualcuda.card.machine import words

Case = tuple[str, Callable[[], str]]

FREE = ("1-cards-auto", "1-cards-balanced", "1-cards-balanced-low-0", "1-cards-sequential")
MAPS = ("1-cards-map", "1-cards-map-named", "1-cards-map-older", "1-cards-split-tie", "1-cards-split-tie-named")
SMALL = ("1-cards-small-0+cpu", "1-cards-small-0+disk")
BUDGETS = ("1-cards", "1-cards-even", "1-cards+cpu", "1-cards+disk", "1-cards+cpu+disk", *SMALL)
NAMES = (*FREE, *MAPS, *BUDGETS)
_HALVES = ("1-cards-auto", "1-cards+cpu", "1-cards+disk")
DTYPES = ("float32", "float16", "bfloat16")

#: Name -> a scenario and its parameters.
LOADS: dict[str, list[tuple[str, Any, dict[str, str]]]] = {
    "llama": [
        *(
            ("cards", llama.over_cards, {"plan": plan, "style": style})
            for plan in NAMES
            for style in ("tied", "grouped")
        ),
        *(("cards-auto-model", llama.cards_auto_model, {"plan": plan}) for plan in NAMES),
        *(
            ("cards-format", llama.cards_format, {"plan": plan, "format": form, "dtype": dtype})
            for plan in _HALVES
            for form in ("sharded", "sharded-bin")
            for dtype in DTYPES
        ),
    ],
    "oneke": [
        *(("script", script.script, {"style": "untied", "memory": plan}) for plan in BUDGETS),
        *(
            ("script-cure", script.script_cure, {"style": style, "memory": plan})
            for plan in BUDGETS
            for style in ("untied", "tied")
        ),
        *(("plain", script.plain, {"style": style, "plan": plan}) for plan in BUDGETS for style in ("untied", "tied")),
    ],
    "gemma3": [
        *(("text", on_cards.text_on_cards, {"plan": plan, "dtype": "float32"}) for plan in NAMES),
        *(("text", on_cards.text_on_cards, {"plan": plan, "dtype": dtype}) for plan in _HALVES for dtype in DTYPES[1:]),
        *(("pictures", on_cards.multimodal_on_cards, {"plan": plan, "dtype": "float32"}) for plan in NAMES),
        *(
            ("generate", on_cards.generate_on_cards, {"kind": kind, "plan": plan, "cache": "cached"})
            for kind in ("text", "multimodal")
            for plan in ("1-cards-auto", "1-cards+cpu")
        ),
    ],
    "mini-gemini": [
        (name, function, {"size": size, "memory": memory})
        for name, function, memories in (
            ("device-map", device_map.device_map, ("1-cards", "1x24", "1x80")),
            ("sequential", device_map.device_map_sequential, ("1-cards", "1x24", "1x80")),
            ("explicit", device_map.device_map_explicit, ("1-cards",)),
        )
        for size in ("34b", "8x7b")
        for memory in memories
    ],
}
_DEVICES = {**_budget._DEVICES, "1-cards": None, "1x24": ["0", "cpu"], "1x80": None}


class Watched(Cell):
    """A cell that also keeps the map that came out, where the parameters were, and the tokens that were written."""

    def __init__(self, directory: Path) -> None:
        super().__init__("test", directory)
        self.seen: dict[str, Any] = {}

    def model(self, model: torch.nn.Module, name: str = "model") -> None:
        said = getattr(model, "hf_device_map", None)
        self.seen["map"] = said and {module: str(device) for module, device in said.items()}
        self.seen["where"] = placed.where(model)
        super().model(model, name)


def cases(family: str) -> Iterator[Case]:
    """Every load of a family; each gives one text, JSON of what was seen."""
    for name, function, params in LOADS[family]:
        yield f"{family}/{name}[{','.join(params.values())}]", lambda f=function, p=params: _loaded(f, p)  # type: ignore[misc]


def _loaded(function: Any, params: dict[str, str]) -> str:
    known: dict[str, Any] = {"NAMES": (*cards.NAMES, *NAMES), "_SOME": {**cards._SOME, 1: SMALL}}
    with (
        tempfile.TemporaryDirectory() as directory,
        warnings.catch_warnings(),
        mock.patch.multiple(cards, **known),
        mock.patch.object(plans, "NAMES", (*plans.NAMES, *NAMES)),
        mock.patch.object(_budget, "_DEVICES", _DEVICES),
    ):
        warnings.simplefilter("ignore")
        cell = Watched(Path(directory))

        def noted(scores: Any, chosen: Any, going: Any, regret: Any = verify.regret) -> float:
            cell.seen["tokens"] = chosen.tolist()
            return float(regret(scores, chosen, going))

        with mock.patch.object(verify, "regret", noted):
            torch.manual_seed(0)
            outcome = _outcome(lambda: function.function(cell, **params), directory)
        checks = {one["name"]: one for one in cell.checks}
        kept = {name: bool(one["measured"] <= one["limit"]) for name, one in checks.items()}
        ratios = [one["measured"] / one["limit"] for one in cell.checks if 0 < one["limit"] < 1]
        told = {"outcome": outcome, "plan": cell.fingerprint.get("plan"), **cell.seen, "checks": kept}
        details = {name: one["detail"] for name, one in checks.items() if not kept[name]}
        told["details"] = details
        told["largest error by its limit"] = max(ratios, default=None)
        return json.dumps(told, sort_keys=True).replace(directory, "<directory>")


def _outcome(call: Callable[[], Any], directory: str) -> str:
    try:
        call()
        torch.cuda.synchronize()
    except Unsupported as error:
        return f"unsupported: {error}"
    except Exception as error:
        return words(error, directory)
    return "done"
