"""What the Gemma 3 cells share: prompts, loading, and what the reference expects of a class."""

from functools import partial
from typing import Any, Callable, Dict, List, Optional, Tuple

import torch

from compatprobe import Cell
from scenarios.common import plans, verify
from scenarios.common.checkpoint import Checkpoint, seeded
from scenarios.common.models_gemma3 import gemma3_multimodal, gemma3_text
from scenarios.common.references import gemma3_multimodal as multimodal_reference
from scenarios.common.references import gemma3_text as text_reference

MAKERS: Dict[str, Callable[..., Checkpoint]] = {"text": gemma3_text, "multimodal": gemma3_multimodal}
_MODEL_TYPES = {"text": ("gemma3_text",), "multimodal": ("gemma3", "gemma3_text")}

#: Two prompts, longer than the sliding window of 6.
PROMPTS = [
    [2, 45, 17, 88, 23, 61, 104, 9, 72, 33, 115, 54, 98],
    [2, 71, 5, 120, 36, 93, 14, 82, 47, 66, 29, 110, 3],
]
#: How many tokens of the second prompt are kept where prompts are padded.
_SHORT = 8


def checkpoint(cell: Cell, kind: str, dtype: str) -> Checkpoint:
    """Write a checkpoint of a kind in :data:`MAKERS`, and record whether the version knows its model types."""
    for model_type in _MODEL_TYPES[kind]:
        cell.architecture(model_type)
    cell.step("checkpoint")
    return MAKERS[kind](cell.directory / "checkpoint", dtype=dtype)


def load(cell: Cell, made: Checkpoint, cls: str, plan: str = "plain", **options: Any) -> torch.nn.Module:
    """``cls.from_pretrained`` at a device plan; ends as unsupported where the version has no such class."""
    loader = cell.api(cls)
    placement = plans.plan(plan, cell.directory, made.tensors, head=cls != "AutoModel")
    cell.step("load")
    model: torch.nn.Module = loader.from_pretrained(str(made.path), **placement, **options)
    return model


def load_telling(cell: Cell, made: Checkpoint, cls: str, plan: str, **options: Any) -> torch.nn.Module:
    """:func:`load`; how many keys the version itself calls missing or unexpected becomes a fact."""
    loaded: Any = load(cell, made, cls, plan, output_loading_info=True, **options)
    model, info = loaded
    cell.fact("loading_info", {name: len(info[name]) for name in ("missing_keys", "unexpected_keys")})
    found: torch.nn.Module = model
    return found


def check_load(
    cell: Cell, model: torch.nn.Module, made: Checkpoint, plan: str, dtype: Optional[str], asked: Any = None
) -> None:
    """The tensors are the file's, the buffers the config's, and the device plan came out.

    A class without a vision tower has no place for the pictures' part of the file.

    Args:
        asked: the ``device_map`` that was given, for :func:`scenarios.common.plans.came_out`.
    """
    sees = any("vision_tower" in name for name, _ in model.named_parameters())
    verify.loaded(cell, model, made, None if sees else _without_vision, dtype=dtype)
    plans.came_out(cell, model, plan, asked)


def _without_vision(key: str) -> Optional[str]:
    return None if key.startswith(("vision_tower.", "multi_modal_projector.")) else key


def has_head(model: torch.nn.Module) -> bool:
    """Whether the class gives logits: ``AutoModel`` of a model type does in some versions, in others not."""
    return any(name.endswith("lm_head.weight") for name, _ in model.named_parameters(remove_duplicate=False))


def text_reference_of(made: Checkpoint, dtype: str, *, head: bool = True) -> Callable[..., torch.Tensor]:
    """The reference for prompts without pictures, of either kind of checkpoint: called with token ids."""
    text, tensors = made.config, made.tensors
    if "text_config" in text:
        text, tensors = text["text_config"], multimodal_reference.text_tensors(tensors)
    function = text_reference.logits if head else text_reference.hidden
    return partial(function, text, tensors, scale_dtype=verify.as_dtype(dtype))


def picture_reference_of(
    made: Checkpoint, dtype: str, pixels: torch.Tensor, *, head: bool = True, image_mask: str = "bidirectional"
) -> Callable[..., torch.Tensor]:
    """The reference for prompts with pictures: called with token ids."""
    function = multimodal_reference.logits if head else multimodal_reference.hidden
    scale_dtype = verify.as_dtype(dtype)

    def run(input_ids: torch.Tensor, **given: Any) -> torch.Tensor:
        return function(
            made.config, made.tensors, input_ids, pixels, image_mask=image_mask, scale_dtype=scale_dtype, **given
        )

    return run


def prompts() -> torch.Tensor:
    """Token ids (2, 13)."""
    return torch.tensor(PROMPTS)


def padded(side: str) -> Tuple[torch.Tensor, torch.Tensor]:
    """Token ids (2, 13) and their mask: the second prompt is shorter, padded on the ``left`` or ``right``."""
    filling = len(PROMPTS[0]) - _SHORT
    pads, short = [0] * filling, PROMPTS[1][:_SHORT]
    row: List[int] = pads + short if side == "left" else short + pads
    ids = torch.tensor([PROMPTS[0], row])
    return ids, (ids != 0).long()


def picture_prompt(made: Checkpoint, pictures: int = 1) -> Tuple[torch.Tensor, torch.Tensor]:
    """Token ids (1, length) as the processor lays them out: each picture's tokens between its two marks.

    Also ``token_type_ids``, 1 on image tokens, which is how the processor tells the model where they are.
    """
    config = made.config
    image = [config["image_token_index"]] * config["mm_tokens_per_image"]
    words = iter(PROMPTS[0][1:])
    row = [2]
    for _ in range(pictures):
        row += [next(words), next(words), config["boi_token_index"], *image, config["eoi_token_index"]]
    row += [next(words) for _ in range(4)]
    ids = torch.tensor([row])
    return ids, (ids == config["image_token_index"]).long()


def pixels(made: Checkpoint, dtype: str, pictures: int = 1) -> torch.Tensor:
    """Pictures (n, 3, side, side) between -1 and 1, as the image processor leaves them."""
    side = made.config["vision_config"]["image_size"]
    return seeded("pixels", (pictures, 3, side, side)).clamp(-1, 1).to(verify.as_dtype(dtype))


def computes_in(model: torch.nn.Module) -> str:
    """The dtype of a model's parameters: ``float32``."""
    return str(next(model.parameters()).dtype).replace("torch.", "")


def reads_on(model: torch.nn.Module) -> torch.device:
    """Where a model wants its token ids: with its embedding, or on the CPU where that is offloaded."""
    embedding: Any = model
    device: torch.device = embedding.get_input_embeddings().weight.device
    return torch.device("cpu") if device.type == "meta" else device


def check_reading(cell: Cell, model: torch.nn.Module, made: Checkpoint, pictures: int, *, typed: bool) -> None:
    """Compare a prompt with pictures with the readings of the reference, and record the nearest as a fact."""
    from compatprobe.tensors import distance

    ids, types = picture_prompt(made, pictures)
    seen = pixels(made, "float32", pictures)
    given = {"token_type_ids": types} if typed else {}
    cell.step("forward")
    with torch.no_grad():
        observed = model(input_ids=ids, pixel_values=seen, **given).logits
    expected = {
        reading: picture_reference_of(made, "float32", seen, image_mask=reading)(ids)
        for reading in multimodal_reference.READINGS
    }
    far = {reading: distance(observed, wanted)[0] for reading, wanted in expected.items()}
    nearest = min(far, key=lambda reading: far[reading])
    chosen = "bidirectional" if typed else nearest
    limit = verify.tolerance("float32", verify.layers_of(model), float(expected[chosen].abs().max()))
    cell.fact("reading", nearest if far[nearest] <= limit else "neither")
    cell.close(chosen, observed, expected[chosen], limit)
