"""What the Llama scenarios share: prompts, checkpoints by style, and the checks of a whole model."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict

import torch

from compatprobe import Unsupported
from scenarios.common import models, verify
from scenarios.common.checkpoint import Checkpoint
from scenarios.common.references import llama

if TYPE_CHECKING:
    from compatprobe import Cell

#: Two prompts of the same length: no padding.
PROMPTS = torch.tensor([[1, 17, 93, 4, 58, 110, 31, 76, 9], [1, 44, 5, 101, 23, 87, 66, 12, 39]])
NEW_TOKENS = 5

#: Layers enough to share out, and so few positions that tables of cosines in each layer weigh little.
DEEP = {"num_hidden_layers": 5, "max_position_embeddings": 64}

#: How versions say that they do not take a way of scaling positions.
REFUSALS = ("`rope_scaling` must be a dictionary", "`rope_scaling`'s type field must be one of", "rope_type")

_STYLES: Dict[str, Dict[str, Any]] = {
    "untied": {"grouped": False},
    "tied": {"grouped": False, "tied": True},
    "grouped": {"grouped": True},
    "llama3-rope": {"rope_scaling": "llama3"},
}
_FORMATS: Dict[str, Dict[str, Any]] = {
    "safetensors": {},
    "bin": {"format": "bin"},
    "sharded": {"shards": 3},
    "sharded-bin": {"shards": 3, "format": "bin"},
}


def checkpoint(
    directory: Path, style: str = "grouped", dtype: str = "float32", form: str = "safetensors", **write: Any
) -> Checkpoint:
    """A Llama checkpoint by the names that stand in cell ids; ``sizes=DEEP`` where it is to lie on several cards."""
    return models.llama(directory, dtype=dtype, **_STYLES[style], **_FORMATS[form], **write)


def dtype_argument(dtype: str) -> Dict[str, Any]:
    """``torch_dtype=``, which every version so far takes (``dtype=`` only newer ones)."""
    return {"torch_dtype": getattr(torch, dtype)}


def stored(made: Checkpoint, dtype: verify.DType = None) -> torch.dtype:
    """The dtype that a load computes in: the one that was asked for, or the file's."""
    return next(iter(made.tensors.values())).dtype if dtype is None else verify.as_dtype(dtype)


def known(cell: "Cell", made: Checkpoint, style: str) -> None:
    """End the cell as unsupported where the version refuses the style's configuration and does not know it.

    Raises:
        Unsupported: with the version's own words.
    """
    if style != "llama3-rope":
        return
    try:
        if "llama3" in cell.api("ROPE_INIT_FUNCTIONS", "transformers.modeling_rope_utils"):
            return
    except Unsupported:
        pass  # older than the registry: ask the configuration itself
    try:
        cell.api("AutoConfig").from_pretrained(str(made.path))
    except (KeyError, ValueError) as error:
        if not any(words in str(error) for words in REFUSALS):
            raise
        raise Unsupported("rope_type llama3", str(error)) from error


def read_files(directory: Path) -> Dict[str, torch.Tensor]:
    """Every tensor in the weight files of a directory, safetensors or not."""
    from safetensors.torch import load_file

    found: Dict[str, torch.Tensor] = {}
    for file in sorted(directory.glob("*.safetensors")):
        found.update(load_file(str(file)))
    for file in sorted(directory.glob("*.bin")):
        found.update(torch.load(str(file), map_location="cpu", weights_only=True))
    return found


def hidden(made: Checkpoint, dtype: verify.DType = None) -> torch.Tensor:
    """The reference's last hidden states over the prompts; the weights rounded to ``dtype``."""
    return llama.hidden(made.config, verify.cast(made.tensors, dtype), PROMPTS)


def logits(made: Checkpoint, dtype: verify.DType = None) -> torch.Tensor:
    """The reference's logits over the prompts; the weights rounded to ``dtype``."""
    return llama.logits(made.config, verify.cast(made.tensors, dtype), PROMPTS)


def causal(
    cell: "Cell",
    model: Any,
    made: Checkpoint,
    dtype: verify.DType = None,
    *,
    prefix: str = "",
    generate: bool = True,
) -> None:
    """Check a causal language model: tensors, logits, and greedy decoding.

    Decoding without cache is a scenario of its own: what is wrong there says nothing about the load.

    Args:
        dtype: what the load was asked for; None: the checkpoint's own.
        prefix: of the checks' names, where a cell checks two models.
    """
    function = partial(llama.logits, made.config, verify.cast(made.tensors, dtype))
    expected = function(PROMPTS)
    verify.loaded(cell, model, made, dtype=dtype, name=f"{prefix}tensors")
    verify.forward(cell, model, PROMPTS, expected, stored(made, dtype), name=f"{prefix}forward")
    if generate:
        verify.generate(
            cell,
            model,
            PROMPTS,
            function,
            new_tokens=NEW_TOKENS,
            attention_mask=torch.ones_like(PROMPTS),
            dtype=stored(made, dtype),
            name=f"{prefix}generate",
        )


def base(cell: "Cell", model: Any, made: Checkpoint, dtype: verify.DType = None) -> None:
    """Check a base model (``AutoModel``): tensors without the head's, and the last hidden states."""
    verify.loaded(cell, model, made, dtype=dtype)
    verify.forward(cell, model, PROMPTS, hidden(made, dtype), stored(made, dtype))
