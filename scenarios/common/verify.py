"""What a cell checks after a load: the weights are the file's, the buffers are right, the outputs too.

"It loaded" is not a check. Here every parameter of the model must be accounted for by a tensor of the
checkpoint, bit for bit, or be tied to one that is; every buffer must have a value, and the rotary ones the
value that the configuration asks for; and the outputs must be those of an independent float64 reference.
"""

import math
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, Union

import torch

from compatprobe import tensors as probe
from scenarios.common import buffers
from scenarios.common.keys import Rename, expected_tensors
from scenarios.common.references.layers import positions

if TYPE_CHECKING:
    from compatprobe import Cell
    from scenarios.common.checkpoint import Checkpoint

DType = Union[str, torch.dtype, None]

#: Rounded operations along the deepest path through one decoder layer: norm (3), query projection, rotation
#: (3), scores, scale, softmax (3), values, output projection, sum; norm (3), gate, activation, product, down
#: projection, sum.
OPERATIONS_PER_LAYER = 22
#: The same outside of the layers: embedding, last norm (3), head.
OPERATIONS_OUTSIDE = 5
#: Of those, the sums of products. Half precision is summed in float32 and rounded once; float32 and float64
#: are summed in themselves, in blocks: about this many more roundings each.
SUMS_PER_LAYER, SUMS_OUTSIDE, SUM_ROUNDINGS = 6, 1, 12
#: Standard deviations: the largest of many thousand outputs must stay inside, and a layer may amplify what comes in.
DEVIATIONS = 6
MEAN_DEVIATIONS = 1.5


def as_dtype(dtype: Union[str, torch.dtype]) -> torch.dtype:
    """``torch.float16`` from itself, ``"float16"`` or ``"torch.float16"``."""
    if isinstance(dtype, torch.dtype):
        return dtype
    found = getattr(torch, dtype.replace("torch.", ""))
    if not isinstance(found, torch.dtype):
        raise ValueError(f"{dtype!r} is not a dtype")
    return found


def cast(tensors: Mapping[str, torch.Tensor], dtype: DType) -> Dict[str, torch.Tensor]:
    """A checkpoint's floating tensors as a load with ``dtype`` rounds them; unchanged where it is None."""
    if dtype is None:
        return dict(tensors)
    wanted = as_dtype(dtype)
    return {key: value.to(wanted) if value.is_floating_point() else value for key, value in tensors.items()}


def tolerance(dtype: Union[str, torch.dtype], layers: int, scale: float) -> float:
    """How far a right output may be from the float64 reference.

    Every operation along the deepest path rounds with a relative error of at most u = eps / 2. Rounding errors
    of n operations behave like a random walk: they grow with sqrt(n), not with n (Higham and Mary, "A new
    approach to probabilistic rounding error analysis", 2019). ``scale`` is the size of the outputs, their
    largest absolute value; the bound is DEVIATIONS * sqrt(n) * u * scale.
    """
    kind = as_dtype(dtype)
    operations = OPERATIONS_OUTSIDE + OPERATIONS_PER_LAYER * layers
    if kind in (torch.float32, torch.float64):
        operations += SUM_ROUNDINGS * (SUMS_OUTSIDE + SUMS_PER_LAYER * layers)
    return DEVIATIONS * math.sqrt(operations) * float(torch.finfo(kind).eps) / 2 * scale


def spread(dtype: Union[str, torch.dtype], layers: int, scale: float) -> float:
    """The same for the root mean square of all errors, where ``scale`` is that of the outputs.

    One standard deviation of the walk, and half as much again for what a layer amplifies. A wrong window or a
    stale cache moves many outputs a little: in half precision their mean shows it where the largest does not.
    """
    return tolerance(dtype, layers, scale) * MEAN_DEVIATIONS / DEVIATIONS


def agree(
    cell: "Cell",
    name: str,
    observed: torch.Tensor,
    expected: torch.Tensor,
    dtype: Union[str, torch.dtype],
    layers: int,
) -> None:
    """Check outputs against the reference's: the largest error, and the root mean square of all."""
    cell.close(name, observed, expected, tolerance(dtype, layers, float(expected.abs().max())))
    if not observed.is_meta and observed.shape == expected.shape:
        error = observed.detach().cpu().to(torch.float64) - expected
        cell.check(f"{name} mean", _rms(error), spread(dtype, layers, _rms(expected)))


def _rms(values: torch.Tensor) -> float:
    return float(values.square().mean().sqrt())


def layers_of(model: torch.nn.Module) -> int:
    """The number of decoder layers by the model's own configuration."""
    config: Any = model.config
    return int(getattr(config, "text_config", config).num_hidden_layers)


def loaded(
    cell: "Cell",
    model: torch.nn.Module,
    checkpoint: "Checkpoint",
    rename: Optional[Rename] = None,
    *,
    dtype: DType = None,
    name: str = "tensors",
) -> None:
    """Check every tensor and buffer of a loaded model, wherever it is, against the file; records ``cell.model``.

    Args:
        rename: checkpoint key -> the name in this class, or None where the class has no place for it (the
            vision part in a text-only class). What it gives is looked for exactly, then by structure.
        dtype: what the load was asked for: the tensors must then be the file's rounded to it. None: whatever
            dtype holds them, the values must be the file's, exactly.
        name: of the check.
    """
    cell.step("verify")
    observed = probe.read(model)
    parameters = [key for key, _ in model.named_parameters(remove_duplicate=False)]
    expected, problems = expected_tensors(model, list(observed), parameters, checkpoint.tensors, rename)
    if dtype is None:
        observed = {key: _widened(observed[key]) for key in expected}
        expected = {key: _widened(value) for key, value in expected.items()}
    problems.update(probe.differences(observed, cast(expected, dtype)))
    shown = "; ".join(f"{key}: {why}" for key, why in list(problems.items())[:8])
    more = f"; and {len(problems) - 8} more" if len(problems) > 8 else ""
    cell.check(name, len(problems), 0, shown + more)
    buffers.check(cell, model, checkpoint.config)
    generation = getattr(model, "generation_config", None)
    if generation is not None:
        # A wrong end token would stop a text early, and excuse it.
        cell.equal("end tokens", _ids(generation.eos_token_id), _ids(checkpoint.config.get("eos_token_id")))
    cell.model(model)


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.is_meta or not tensor.is_floating_point():
        return tensor
    return tensor.detach().cpu().to(torch.float64)  # on the CPU: a card that is nearly full has no room for it


def output(result: Any) -> torch.Tensor:
    """The logits of a model's output, or the last hidden state where the class has no head."""
    found = getattr(result, "logits", None)
    if found is None:
        found = result.last_hidden_state
    if not isinstance(found, torch.Tensor):
        raise TypeError(f"the model's output is a {type(found).__name__}, not a tensor")
    return found


def home(model: torch.nn.Module) -> torch.device:
    """Where inputs go: the device of the first parameter that is anywhere; the CPU where all are on disk."""
    return next((p.device for p in model.parameters() if not p.is_meta), torch.device("cpu"))


def _brought(inputs: Mapping[str, Any], model: torch.nn.Module) -> Dict[str, Any]:
    device = home(model)
    return {key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in inputs.items()}


def forward(
    cell: "Cell",
    model: torch.nn.Module,
    input_ids: Optional[torch.Tensor],
    expected: torch.Tensor,
    dtype: Union[str, torch.dtype] = "float32",
    *,
    attention_mask: Optional[torch.Tensor] = None,
    name: str = "forward",
    **inputs: Any,
) -> torch.Tensor:
    """Run the model once and check its logits (or last hidden states) against the reference's.

    Args:
        input_ids: (batch, length), or None where ``inputs_embeds`` is among ``inputs``.
        expected: (batch, length, vocab or hidden), float64.
        dtype: the one that the model computes in; it decides the tolerance.
        attention_mask: (batch, length); outputs at padding (0) mean nothing and are left out.

    Returns:
        The model's outputs, as they came.
    """
    cell.step(name)
    if input_ids is not None:
        inputs["input_ids"] = input_ids
    if attention_mask is not None:
        inputs["attention_mask"] = attention_mask
    with torch.no_grad():
        observed = output(model(**_brought(inputs, model)))
    matters = slice(None) if attention_mask is None else attention_mask.bool()
    wanted = expected[matters]
    shown = observed if observed.is_meta or observed.shape != expected.shape else observed.cpu()[matters]
    agree(cell, name, shown, wanted, dtype, layers_of(model))
    return observed


def generate(
    cell: "Cell",
    model: torch.nn.Module,
    input_ids: torch.Tensor,
    reference: Callable[..., torch.Tensor],
    use_cache: bool = True,
    *,
    new_tokens: int = 5,
    dtype: Union[str, torch.dtype] = "float32",
    attention_mask: Optional[torch.Tensor] = None,
    layers: Optional[int] = None,
    name: Optional[str] = None,
    **inputs: Any,
) -> None:
    """Decode greedily, and check at every step what was written and the scores that it was chosen by.

    Tokens alone would not do: a cache that keeps one token too many often leaves the best token the best, and
    rounding may choose between two. So the reference computes, without a cache, the logits over what was
    really written: the scores must be those within rounding, and each token the best by the scores.

    Args:
        input_ids: the prompts (batch, length), padded on the left.
        reference: called with token ids (batch, length), and where a mask is given also with
            ``attention_mask`` and ``position_ids``; returns logits (batch, length, vocabulary).
        attention_mask: (batch, length); none is passed where none is given.
        layers: how deep the model is; its configuration says so where not given.
        name: of the checks.
        inputs: further arguments of ``generate``.
    """
    label = name or ("generate" if use_cache else "generate-uncached")
    given = inputs if attention_mask is None else {**inputs, "attention_mask": attention_mask}
    brought = _brought({"input_ids": input_ids, **given}, model)
    cell.step(label)
    generator: Any = model
    with torch.no_grad():
        written = generator.generate(
            brought.pop("input_ids"),
            max_new_tokens=new_tokens,
            do_sample=False,
            num_beams=1,
            use_cache=use_cache,
            return_dict_in_generate=True,
            output_scores=True,
            **brought,
        )
    cell.answered = True
    scores = torch.stack(written.scores, dim=1).cpu()
    chosen = written.sequences[:, -scores.shape[1] :].cpu()
    ends = _ends(chosen, generator.generation_config.eos_token_id)
    going = ends.cumsum(dim=1) - ends.long() == 0  # up to and with a row's end token
    cell.equal(f"{label} length", scores.shape[1] == new_tokens or bool(ends.any(dim=1).all()), True)
    expected = _over(reference, torch.cat([input_ids, chosen], dim=1), attention_mask, scores.shape[1])
    shown, wanted = (scores[going], expected[going]) if scores.shape == expected.shape else (scores, expected)
    agree(cell, f"{label} scores", shown, wanted, dtype, layers or layers_of(model))
    cell.check(f"{label} tokens", regret(scores, chosen, going), 0)


def _ids(eos: Union[int, Sequence[int], None]) -> List[int]:
    return [] if eos is None else [eos] if isinstance(eos, int) else sorted(eos)


def _ends(ids: torch.Tensor, eos: Union[int, Sequence[int], None]) -> torch.Tensor:
    """Where a token is an end token: (batch, length), bool."""
    return torch.isin(ids, torch.tensor(_ids(eos), dtype=ids.dtype))


def _over(
    reference: Callable[..., torch.Tensor], ids: torch.Tensor, mask: Optional[torch.Tensor], new: int
) -> torch.Tensor:
    """The reference's logits before each of the last ``new`` tokens: (batch, new, vocabulary)."""
    given = {}
    if mask is not None:
        mask = torch.cat([mask, torch.ones(len(ids), new, dtype=mask.dtype)], dim=1)
        given = {"attention_mask": mask, "position_ids": positions(mask)}
    return reference(ids, **given)[:, -new - 1 : -1]


def regret(scores: torch.Tensor, chosen: torch.Tensor, going: torch.Tensor) -> float:
    """How much better, at worst, the best token was than the one that was written.

    Args:
        scores: (batch, steps, vocab).
        chosen: (batch, steps), the tokens.
        going: (batch, steps), false where a row had ended before.
    """
    taken = scores.gather(-1, chosen[..., None])[..., 0]
    return float((scores.max(dim=-1).values - taken)[going].max())
