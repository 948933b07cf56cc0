"""``generate``: greedy, with and without cache, with and without padding on the left."""

from compatprobe import Cell, scenario
from scenarios.common import cards

#: Over virtual cards, with padded prompts.
_CARDS = ("2-cards-even", "2-cards+cpu", "2-cards+disk", "2-cards-second", "3-cards-even")


@scenario(
    title="generate, against a reference decoder that keeps no cache",
    params={
        "prompts": ("even", "padded"),
        "cache": ("cached", "uncached"),
        "style": ("grouped", "tied", "llama3-rope"),
        "plan": ("plain", "auto", "disk", *_CARDS),
    },
    exclude=lambda prompts, style, plan, **_: (
        (plan != "plain" and style != "grouped") or (plan in _CARDS and prompts != "padded")
    ),
    needs=cards.needs,
)
def generate(cell: Cell, prompts: str, cache: str, style: str, plan: str) -> None:
    """Twelve new tokens; padded prompts are counted from their first real token."""
    from functools import partial

    import torch

    from scenarios.common import plans, verify
    from scenarios.common.references import llama
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", style, sizes=_try.DEEP if plan in _CARDS else None)
    _try.known(cell, made, style)
    auto = cell.api("AutoModelForCausalLM")
    cell.step("from_pretrained")
    arguments = plans.plan(plan, cell.directory, made.tensors)
    model = auto.from_pretrained(str(made.path), **arguments).eval()
    plans.came_out(cell, model, plan, arguments.get("device_map"))
    ids = _try.PROMPTS.clone()
    mask = torch.ones_like(ids)
    if prompts == "padded":
        ids[1, :4], mask[1, :4] = 0, 0
    verify.generate(
        cell,
        model,
        ids,
        partial(llama.logits, made.config, made.tensors),
        cache == "cached",
        new_tokens=12,
        attention_mask=mask,
        name="generate",
        pad_token_id=0,
    )
