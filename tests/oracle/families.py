"""The models that faults are planted in: checkpoints, how they are loaded, and how a cell would examine them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from compatprobe import Cell
from scenarios.common import models, plans, verify
from scenarios.common.checkpoint import Checkpoint, seeded
from scenarios.common.references import gemma3_multimodal, gemma3_text, llama, mixtral

#: Longer than the sliding window of the small Gemma 3 (6 tokens).
PROMPTS = torch.tensor([[1, 17, 93, 4, 58, 99, 31, 76, 9, 66], [1, 44, 5, 101, 23, 87, 70, 12, 39, 8]])
PADDING = 4
NEW_TOKENS = 6


@dataclass(frozen=True)
class Family:
    """One architecture and style of checkpoint.

    Attributes:
        make: writes the checkpoint into a directory.
        loader: the class in transformers.
        examine: runs a cell's checks on a loaded model.
        dtype: what the load asks for.
        rope_type: a kind of rope scaling that the version must know.
    """

    make: Callable[[Path], Checkpoint]
    loader: str
    examine: Callable[["Family", Cell, Any, Checkpoint], None]
    reference: Callable[..., torch.Tensor] = llama.logits
    dtype: str = "float32"
    rope_type: str = ""

    def absent(self) -> str:
        """Why this version cannot load the family; empty where it can."""
        import transformers

        if not hasattr(transformers, self.loader):
            return f"this version has no {self.loader}"
        if self.rope_type:
            try:
                from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS
            except ImportError:
                return "this version has no kinds of rope scaling"
            if self.rope_type not in ROPE_INIT_FUNCTIONS:
                return f"this version does not know rope scaling {self.rope_type!r}"
        return ""

    def load(self, made: Checkpoint, plan: str, directory: Path, *, eager: bool = False) -> Any:
        """The family's model, at a device plan, with the default attention or the eager one."""
        import transformers

        arguments = plans.plan(plan, directory, made.tensors)
        if eager:
            arguments["attn_implementation"] = "eager"
        dtype = verify.as_dtype(self.dtype)
        return getattr(transformers, self.loader).from_pretrained(str(made.path), torch_dtype=dtype, **arguments).eval()


def examine_text(family: Family, cell: Cell, model: Any, made: Checkpoint) -> None:
    """Tensors, buffers, logits with and without padding, decoding with and without cache."""
    reference = partial(family.reference, made.config, made.tensors)
    ids, mask = PROMPTS.clone(), torch.ones_like(PROMPTS)
    ids[1, :PADDING], mask[1, :PADDING] = 0, 0
    verify.loaded(cell, model, made, dtype=family.dtype)
    verify.forward(cell, model, PROMPTS, reference(PROMPTS), family.dtype)
    padded = reference(ids, attention_mask=mask)
    verify.forward(cell, model, ids, padded, family.dtype, attention_mask=mask, name="padded")
    decode = partial(verify.generate, cell, model, ids, reference, dtype=family.dtype, attention_mask=mask)
    decode(True, new_tokens=NEW_TOKENS, pad_token_id=0)
    decode(False, new_tokens=2, pad_token_id=0)


def examine_pictures(family: Family, cell: Cell, model: Any, made: Checkpoint) -> None:
    """Tensors, buffers, logits with and without pictures (another one in each row), decoding after a picture."""
    config = made.config
    image = [config["image_token_index"]] * config["mm_tokens_per_image"]
    rows = [
        [2, *words, config["boi_token_index"], *image, config["eoi_token_index"], *more]
        for words, more in (([45, 17], [88, 23, 61]), ([71, 5], [120, 36, 93]))
    ]
    ids = torch.tensor(rows)
    types = (ids == config["image_token_index"]).long()
    side = config["vision_config"]["image_size"]
    pixels = seeded("pixels", (2, 3, side, side)).clamp(-1, 1).float()
    verify.loaded(cell, model, made, dtype=family.dtype)
    text = gemma3_multimodal.logits(config, made.tensors, PROMPTS)
    verify.forward(cell, model, PROMPTS, text, family.dtype)

    def reference(input_ids: torch.Tensor, **given: Any) -> torch.Tensor:
        return gemma3_multimodal.logits(config, made.tensors, input_ids, pixels, **given)

    seen = {"pixel_values": pixels, "token_type_ids": types}
    verify.forward(cell, model, ids, reference(ids), family.dtype, name="pictures", **seen)
    mask = torch.ones_like(ids)
    verify.generate(cell, model, ids, reference, new_tokens=NEW_TOKENS, attention_mask=mask, dtype=family.dtype, **seen)


FAMILIES: dict[str, Family] = {
    "llama": Family(models.llama, "LlamaForCausalLM", examine_text),
    "llama-tied": Family(partial(models.llama, tied=True), "LlamaForCausalLM", examine_text),
    "llama-3.1": Family(
        partial(models.llama, rope_scaling="llama3"), "LlamaForCausalLM", examine_text, rope_type="llama3"
    ),
    "llama-bf16": Family(partial(models.llama, dtype="bfloat16"), "LlamaForCausalLM", examine_text, dtype="bfloat16"),
    "gemma3-text": Family(
        partial(models.gemma3_text, dtype="float32"), "Gemma3ForCausalLM", examine_text, gemma3_text.logits
    ),
    "gemma3": Family(
        partial(models.gemma3_multimodal, dtype="float32"), "Gemma3ForConditionalGeneration", examine_pictures
    ),
    "mixtral": Family(models.mixtral, "MixtralForCausalLM", examine_text, mixtral.logits),
}
