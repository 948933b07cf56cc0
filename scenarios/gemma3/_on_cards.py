"""Gemma 3 over several virtual cards: the plan's arguments for either kind of checkpoint, and budgets."""

from typing import Any, Dict, Iterable, List, Tuple

import torch

from compatprobe import Cell
from scenarios.common import cards, layout, placed, plans, verify
from scenarios.common.checkpoint import Checkpoint
from scenarios.common.references import gemma3_multimodal
from scenarios.gemma3 import _cells

#: What stands before the text model, by the ends of its names; it goes with the embedding.
_SEEING = ("vision_tower", "multi_modal_projector")


def load(
    cell: Cell, made: Checkpoint, cls: str, plan: str, dtype: str, **options: Any
) -> Tuple[torch.nn.Module, placed.Budgets]:
    """``cls.from_pretrained`` at a plan over cards, and the budgets that it must keep, for a check afterwards."""
    loader = cell.api(cls)
    arguments = _arguments(cell, made, cls, plan)
    budgets = placed.Budgets(arguments, _empty(plan, made))
    cell.step("load")
    model = loader.from_pretrained(str(made.path), torch_dtype=verify.as_dtype(dtype), **arguments, **options)
    return model, budgets


def _empty(plan: str, made: Checkpoint) -> List[int]:
    """The cards on which the plan wants nothing at all."""
    found = cards.shares(plan, made.config.get("text_config", made.config)["num_hidden_layers"])
    return [] if found is None else [card for card in range(cards.parts(plan)[0]) if found.get(str(card), 0) == 0]


def _arguments(cell: Cell, made: Checkpoint, cls: str, plan: str) -> Dict[str, Any]:
    if "text_config" not in made.config:
        return plans.plan(plan, cell.directory, made.tensors, head=cls != "AutoModel")
    text = gemma3_multimodal.text_tensors(made.tensors)
    sizes = layout.modules(text)
    first = next(iter(sizes))
    sizes[first] += sum(value.numel() for key, value in made.tensors.items() if not key.startswith("language_model."))
    arguments = plans.plan(plan, cell.directory, made.tensors, sizes=sizes)
    if isinstance(arguments["device_map"], dict) and "" not in arguments["device_map"]:
        arguments["device_map"] = _named(_module_names(cell, made, cls), arguments["device_map"])
    return arguments


def _module_names(cell: Cell, made: Checkpoint, cls: str) -> Iterable[str]:
    """The names that this version gives to the modules of the class."""
    config = cell.api("AutoConfig").from_pretrained(str(made.path))
    with cell.api("init_empty_weights", "accelerate")():
        return [name for name, _ in cell.api(cls)(config).named_modules()]


def _named(names: Iterable[str], chosen: Dict[str, Any]) -> Dict[str, Any]:
    """A map over the text model's modules (``model.layers.0``) in a version's own names, with the seeing parts."""
    text = next(name[: -len("embed_tokens")] for name in names if name.endswith("embed_tokens"))
    head = next(name for name in names if name.endswith("lm_head"))
    found = {head if layout.is_head(module) else text + module.split(".", 1)[1]: at for module, at in chosen.items()}
    before = next(iter(chosen.values()))
    found.update({name: before for name in names if name.endswith(_SEEING)})
    return found


def check(cell: Cell, model: torch.nn.Module, made: Checkpoint, plan: str, dtype: str, budgets: placed.Budgets) -> None:
    """Tensors, buffers, the plan that came out, every parameter where the map says, and the budgets kept."""
    budgets.check(cell, model)  # first: to read what is on disk takes memory of a card
    _cells.check_load(cell, model, made, plan, dtype, budgets.asked)


def answers(cell: Cell, model: torch.nn.Module, made: Checkpoint, dtype: str, *, prefix: str = "") -> None:
    """The reference's logits for prompts of text; of a checkpoint with pictures, also for one with a picture."""
    head = _cells.has_head(model)
    expected = _cells.text_reference_of(made, dtype, head=head)(_cells.prompts())
    verify.forward(cell, model, _cells.prompts(), expected, dtype, name=f"{prefix}forward")
    if "vision_config" in made.config:
        ids, types = _cells.picture_prompt(made)
        pixels = _cells.pixels(made, dtype)
        wanted = _cells.picture_reference_of(made, dtype, pixels, head=head)(ids)
        name = f"{prefix}forward-picture"
        verify.forward(cell, model, ids, wanted, dtype, pixel_values=pixels, token_type_ids=types, name=name)
