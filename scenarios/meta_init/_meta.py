"""What the scenarios share: a model on the meta device, and what is checked once it has been filled."""

import math
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import torch

from scenarios.common import models, verify
from scenarios.common.checkpoint import Checkpoint
from scenarios.common.references import llama

if TYPE_CHECKING:
    from compatprobe import Cell

PROMPTS = torch.tensor(
    [[1, 17, 93, 4, 58, 110, 31, 76, 9, 64, 29, 102], [1, 44, 5, 101, 23, 87, 66, 12, 39, 90, 3, 71]]
)


def checkpoint(cell: "Cell", style: str, plan: str = "") -> Checkpoint:
    """A float32 Llama, tied or not.

    Few positions where it is to lie on cards: old versions keep tables of them in every layer, which would not fit
    the budgets.
    """
    sizes = {"max_position_embeddings": 64} if "cards" in plan else None
    return models.llama(cell.directory / "checkpoint", tied=style == "tied", sizes=sizes)


def build(cell: "Cell", made: Checkpoint, context: str) -> Any:
    """The causal language model of the checkpoint's configuration, its parameters on meta.

    Args:
        context: ``init_empty_weights`` leaves buffers on the CPU; ``include-buffers`` and
            ``torch-device-meta`` put them on meta too.
    """
    config = cell.api("AutoConfig").from_pretrained(str(made.path))
    auto = cell.api("AutoModelForCausalLM")
    empty = cell.api("init_empty_weights", "accelerate")
    cell.step("from_config")
    with ExitStack() as stack:
        if context == "torch-device-meta":
            stack.enter_context(torch.device("meta"))
        else:
            stack.enter_context(empty(include_buffers=context == "include-buffers"))
        return auto.from_config(config, torch_dtype=torch.float32).eval()


def check(cell: "Cell", model: Any, made: Checkpoint) -> None:
    """Tensors, buffers and logits; and the loss on labels that the right model predicts, as a fact."""
    verify.loaded(cell, model, made)
    expected = llama.logits(made.config, made.tensors, PROMPTS)
    observed = verify.forward(cell, model, PROMPTS, expected)
    labels = expected[:, :-1].argmax(-1)
    cell.fact("loss", {"reference": loss(expected, labels), "observed": loss(observed, labels)})


def loss(logits: torch.Tensor, labels: torch.Tensor) -> str:
    """Mean cross entropy of the next token; labels (batch, length - 1). Rounded, as text: it may be no number."""
    if logits.is_meta:
        return "meta"
    kept = logits[:, :-1].to(torch.float64).cpu()
    value = torch.nn.functional.cross_entropy(kept.reshape(-1, kept.shape[-1]), labels.reshape(-1))
    return f"{float(value):.4f}" if math.isfinite(float(value)) else "not finite"
