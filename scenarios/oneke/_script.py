"""The steps of DeepKE's multi-card script, with what varies as parameters."""

from functools import partial
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional

import torch

from scenarios.common import cards, layout, models, plans, verify
from scenarios.common.checkpoint import Checkpoint
from scenarios.common.references import llama

if TYPE_CHECKING:
    from compatprobe import Cell

PROMPTS = torch.tensor([[1, 23, 77, 5, 114, 60, 98, 31, 12, 45]])
_BYTES = 2  # float16


def checkpoint(cell: "Cell", style: str) -> Checkpoint:
    """OneKE's checkpoint, tied or not."""
    return models.oneke(cell.directory / "checkpoint", tied=style == "tied")


def run(
    cell: "Cell", made: Checkpoint, api: str, *, tie_weights: bool, memory: str, skip_keys: Optional[str] = None
) -> Any:
    """Build the model on meta, infer a map, load, dispatch.

    Args:
        api: ``AutoModel``, as the script has it, or ``AutoModelForCausalLM``.
        tie_weights: whether ``model.tie_weights()`` is called before the map is inferred.
        memory: ``cpu``: all fits; ``cpu+disk``: the last layers overflow; ``2-cards``: the reporter's way; or
            another plan by budgets of :data:`scenarios.common.cards.NAMES`.
        skip_keys: arguments that ``dispatch_model`` is told not to move between cards.
    """
    accelerate = partial(cell.api, module="accelerate")
    path = str(made.path)
    config = cell.api("AutoConfig").from_pretrained(path)
    cell.step("from_config")
    with accelerate("init_empty_weights")():
        model = cell.api(api).from_config(config, torch_dtype=torch.float16)
    if tie_weights:
        cell.step("tie_weights")
        model.tie_weights()
    cell.step("infer_auto_device_map")
    sizes = layout.modules(made.tensors, head=api != "AutoModel")
    device_map = accelerate("infer_auto_device_map")(
        model, max_memory=_budgets(sizes, memory), no_split_module_classes=["LlamaDecoderLayer"]
    )
    folder = str(cell.directory / "offload") if "disk" in device_map.values() else None
    plans.demand(sorted({str(device) for device in device_map.values()}), _wanted(memory))
    cell.step("load_checkpoint_in_model")
    accelerate("load_checkpoint_in_model")(model, path, device_map=device_map, offload_folder=folder)
    cell.step("dispatch_model")
    dispatch = accelerate("dispatch_model")
    model = dispatch(model, device_map=device_map, offload_dir=folder, skip_keys=skip_keys).eval()
    if memory in cards.NAMES:
        plans.over_cards(cell, model, memory, device_map)
    return model


def _wanted(memory: str) -> List[str]:
    return memory.split("+") if memory.startswith("cpu") else cards.wanted(memory) or []


def _budgets(sizes: Mapping[str, int], memory: str) -> Dict[Any, int]:
    if memory == "cpu":
        return {"cpu": 1 << 30}
    if memory == "cpu+disk":
        return {"cpu": plans.cpu_budget(sizes, _BYTES)}
    return cards.budgets(memory, sizes, _BYTES)


def check(cell: "Cell", model: Any, made: Checkpoint, api: str) -> None:
    """Tensors, outputs and, where there is a head, greedy decoding."""
    verify.loaded(cell, model, made, dtype="float16")
    if api == "AutoModel":
        expected = llama.hidden(made.config, made.tensors, PROMPTS)
        verify.forward(cell, model, PROMPTS, expected, "float16")
        return
    function = partial(llama.logits, made.config, made.tensors)
    verify.forward(cell, model, PROMPTS, function(PROMPTS), "float16")
    mask = torch.ones_like(PROMPTS)
    verify.generate(cell, model, PROMPTS, function, new_tokens=4, dtype="float16", attention_mask=mask)
