"""Greedy decoding against forward passes without a cache, for decoders and for models with an encoder."""

from typing import TYPE_CHECKING, Any, Dict, Optional

import torch

from compatprobe import Skip
from scenarios.common import verify

from . import _inputs, _load, _outputs

if TYPE_CHECKING:
    from compatprobe import Cell

    from ._files import Files

NEW_TOKENS = 5
_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id", "decoder_start_token_id", "cache_implementation")


def check(cell: "Cell", model: Any, files: "Files", *, cached: bool) -> None:
    """Decode a few tokens, and compare the scores of each step with the logits over what was really written.

    Raises:
        Skip: there is no prompt for such a model.
    """
    ids = _inputs.token_ids(model.config)
    if ids is None or getattr(model, "main_input_name", "input_ids") != "input_ids":
        raise Skip(f"there is no prompt here for a {type(model).__name__}")
    name = "generate" if cached else "generate-uncached"
    plainly(cell, model)
    cell.step(name)
    ids = ids.to(verify.home(model))
    mask = torch.ones_like(ids)
    with torch.no_grad():
        written = model.generate(
            ids,
            attention_mask=mask,
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            num_beams=1,
            use_cache=cached,
            return_dict_in_generate=True,
            output_scores=True,
        )
    cell.answered = True
    scores = torch.stack(written.scores, dim=1).cpu().to(torch.float64)
    steps = scores.shape[1]
    chosen = written.sequences[:, -steps:].cpu()
    going = _going(chosen, model.generation_config.eos_token_id)
    cell.fact(f"{name} tokens", chosen.tolist())
    if files.not_finite() and not bool(scores.isfinite().all()):
        cell.fact("outputs not judged", "scores are not finite, nor are some numbers in the file")
        return
    expected = _over(model, ids, mask, written.sequences, steps).to(torch.float64)
    dtype, layers = _load.dtype_of(model), _load.layers_of(model)
    shown, wanted = (scores[going], expected[going]) if scores.shape == expected.shape else (scores, expected)
    limit = _outputs.tolerance(dtype, layers, float(wanted.abs().max()))
    cell.close(f"{name} scores", shown, wanted, limit)
    cell.check(f"{name} tokens", verify.regret(scores, chosen, going), 0)


def plainly(cell: "Cell", model: Any) -> None:
    """Take out of the decoding settings what changes scores or draws lots; the tokens of the file stay."""
    kept: Dict[str, Any] = {name: getattr(model.generation_config, name, None) for name in _TOKENS}
    plain = cell.api("GenerationConfig")()
    for name, value in kept.items():
        if value is not None:
            setattr(plain, name, value)
    if plain.pad_token_id is None:
        end = plain.eos_token_id
        plain.pad_token_id = end[0] if isinstance(end, list) and end else end if end is not None else 0
    model.generation_config = plain


def _going(chosen: torch.Tensor, eos: Any) -> torch.Tensor:
    """(batch, steps): false where a row had ended before."""
    ends = torch.isin(chosen, torch.tensor(eos if isinstance(eos, list) else [] if eos is None else [eos]))
    return ends.cumsum(dim=1) - ends.long() == 0


def _over(model: Any, ids: torch.Tensor, mask: torch.Tensor, sequences: torch.Tensor, steps: int) -> torch.Tensor:
    """The logits before each new token, in one pass and without a cache: (batch, steps, vocabulary)."""
    given: Dict[str, Optional[torch.Tensor]]
    if getattr(model.config, "is_encoder_decoder", False):
        given = {"input_ids": ids, "attention_mask": mask, "decoder_input_ids": sequences[:, :-1]}
    else:
        given = {"input_ids": sequences[:, :-1], "attention_mask": torch.ones_like(sequences[:, :-1])}
    with torch.no_grad():
        logits: torch.Tensor = model(**given, use_cache=False).logits
    return logits[:, -steps:].cpu()
