"""Llama over two and three cards, which are virtual ones: budgets, overflow, explicit maps, files and dtypes."""

from compatprobe import Cell, scenario
from scenarios.common import cards

#: What is tried over two cards only: over three it is no different.
_TWO_ONLY = (
    "3-cards-balanced",
    "3-cards-sequential",
    "3-cards-small-0",
    "3-cards-map-older",
    "3-cards-split-tie-named",
)
#: What the untied model is tried with too; the tied one with every plan.
_UNTIED = (
    "2-cards-even",
    "2-cards-full+cpu",
    "2-cards+cpu+disk",
    "2-cards-small-0",
    "2-cards-map-named",
    "2-cards-split-tie",
    "3-cards+cpu",
    "3-cards+disk",
    "3-cards-small-1",
)
_FORMATS = ("safetensors", "sharded", "bin", "sharded-bin")
_DTYPES = ("float32", "float16", "bfloat16")
_SPREAD = ("2-cards-even", "2-cards+cpu", "2-cards+disk")


@scenario(
    title="AutoModelForCausalLM.from_pretrained(path, device_map=..., max_memory=...) over virtual cards",
    name="cards",
    params={"plan": cards.NAMES, "style": ("tied", "grouped")},
    exclude=lambda plan, style: plan in _TWO_ONLY or (style == "grouped" and plan not in _UNTIED),
    needs=cards.needs,
)
def over_cards(cell: Cell, plan: str, style: str) -> None:
    """Every parameter where the map says, no card above its budget, and the outputs and tokens of the reference.

    The cards are virtual (docs/virtual-cuda.md). Budgets are derived from the split that is wanted, and whether it
    came out is checked.
    """
    import torch

    from scenarios.common import placed, plans
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", style, sizes=_try.DEEP)
    auto = cell.api("AutoModelForCausalLM")
    arguments = plans.plan(plan, cell.directory, made.tensors)
    wanted = plans.wanted(plan)
    empty = [card for card in range(torch.cuda.device_count()) if wanted and str(card) not in wanted]
    budgets = placed.Budgets(arguments, empty)
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), **arguments).eval()
    plans.came_out(cell, model, plan, budgets.asked)
    budgets.check(cell, model)
    _try.causal(cell, model, made)


@scenario(
    title="AutoModel.from_pretrained(path, device_map=..., max_memory=...) over virtual cards",
    name="cards-auto-model",
    params={
        "plan": (
            "2-cards-even",
            "2-cards-small-0",
            "2-cards-second-named",
            "3-cards+cpu",
            "3-cards+disk",
            "3-cards-map-named",
        )
    },
    needs=cards.needs,
)
def cards_auto_model(cell: Cell, plan: str) -> None:
    """The class without a head."""
    from scenarios.common import plans
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", sizes=_try.DEEP)
    auto = cell.api("AutoModel")
    arguments = plans.plan(plan, cell.directory, made.tensors, head=False)
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), **arguments).eval()
    plans.came_out(cell, model, plan, arguments["device_map"])
    _try.base(cell, model, made)


@scenario(
    title="files and dtypes over two virtual cards",
    name="cards-format",
    params={"plan": _SPREAD, "format": _FORMATS, "dtype": _DTYPES},
    # Each plan with each format once, and each with each dtype.
    exclude=lambda plan, format, dtype: (
        (_SPREAD.index(plan) + _FORMATS.index(format)) % len(_DTYPES) != _DTYPES.index(dtype)
    ),
    needs=cards.needs,
)
def cards_format(cell: Cell, plan: str, format: str, dtype: str) -> None:
    """Budgets are those of the dtype that is asked for, which is also the file's."""
    from scenarios.common import placed, plans
    from scenarios.llama import _try

    made = _try.checkpoint(cell.directory / "checkpoint", "grouped", dtype, format, sizes=_try.DEEP)
    auto = cell.api("AutoModelForCausalLM")
    arguments = plans.plan(plan, cell.directory, made.tensors)
    budgets = placed.Budgets(arguments)
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), **arguments, **_try.dtype_argument(dtype)).eval()
    plans.came_out(cell, model, plan, budgets.asked)
    budgets.check(cell, model)
    _try.causal(cell, model, made, dtype)


@scenario(
    title="an explicit map over two virtual cards by name, under hash seeds that order the names either way",
    name="cards-hash-seed",
    needs=("virtual-cuda:2",),
    timeout=300,  # two processes, which import everything anew
)
def cards_hash_seed(cell: Cell) -> None:
    """accelerate sends inputs to the first of a *set* of devices: with names, the seed of their hashes decides.

    Each load is a process of its own; the facts say which card it sent inputs to, and what it raised.
    """
    from functools import partial

    from scenarios.common import plans, verify
    from scenarios.common.references import llama
    from scenarios.llama import _hash_seed, _try

    made = _try.checkpoint(cell.directory / "checkpoint", sizes=_try.DEEP)
    arguments = plans.plan("2-cards-map-named", cell.directory, made.tensors)
    cell.step("seeds")
    reference = partial(llama.logits, made.config, made.tensors)
    for first, seed in sorted(_hash_seed.seeds(["cuda:0", "cuda:1"]).items()):
        cell.step(f"load under seed {seed}")
        told = _hash_seed.load(made.path, arguments["device_map"], _try.PROMPTS.tolist(), seed, cell.step)
        main = {"main device": told["main"]} if "main" in told else {}
        cell.fact(f"{first} first", {"seed": seed, **main, "raised": told.get("error", "nothing")})
        cell.equal(f"{first} first: answers", told.get("error"), None)
        if "written" in told:
            layers = made.config["num_hidden_layers"]
            verify.agree(cell, f"{first} first: logits", told["logits"], reference(_try.PROMPTS), "float32", layers)
            length = _try.PROMPTS.shape[1]
            best = reference(told["written"]).argmax(-1)[:, length - 1 : -1]
            cell.equal(f"{first} first: tokens", told["written"][:, length:].tolist(), best.tolist())
