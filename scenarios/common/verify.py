"""What a cell checks after a load: the weights are the file's, the buffers are right, the outputs too.

"It loaded" is not a check. Here every parameter of the model must be accounted for by a tensor of the
checkpoint, bit for bit, or be tied to one that is; every buffer must have a value, and the rotary ones the
value that the configuration asks for; and the outputs must be those of an independent float64 reference.
"""

import math
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping, Optional, Union

import torch

from compatprobe import tensors as probe
from scenarios.common import buffers
from scenarios.common.keys import Rename, expected_tensors

if TYPE_CHECKING:
    from compatprobe import Cell
    from scenarios.common.checkpoint import Checkpoint
    from scenarios.common.references.decode import Greedy

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
    cell.model(model)


def _widened(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.detach().to(torch.float64) if tensor.is_floating_point() else tensor


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
    limit = tolerance(dtype, layers_of(model), float(wanted.abs().max()))
    shown = observed if observed.is_meta or observed.shape != expected.shape else observed.cpu()[matters]
    cell.close(name, shown, wanted, limit)
    return observed


def generate(
    cell: "Cell",
    model: torch.nn.Module,
    input_ids: Optional[torch.Tensor],
    expected: "Union[Greedy, torch.Tensor]",
    use_cache: bool = True,
    *,
    scale: Optional[float] = None,
    logits: Optional[Callable[[torch.Tensor], torch.Tensor]] = None,
    dtype: Union[str, torch.dtype] = "float32",
    new_tokens: Optional[int] = None,
    name: Optional[str] = None,
    **inputs: Any,
) -> torch.Tensor:
    """Decode greedily and check the tokens against the reference decoder's.

    Where rounding may choose between two tokens, equality means nothing: then each token's logit in the
    reference, given what was really written before it, must be the best one's within rounding.

    Args:
        input_ids: (batch, prompt), or None where ``inputs_embeds`` is among ``inputs``: most versions then
            return the new tokens only, and only those are compared.
        expected: what the reference decoder wrote, or its ids (batch, prompt + new) alone.
        scale: the largest absolute logit of the reference; with it, the margins of ``expected`` are compared
            with the tolerance of ``dtype``.
        logits: the reference: token ids -> logits, for when the margins are too small.
        new_tokens: how many to ask for; as many as ``expected`` has where not given.

    Returns:
        The tokens as they came.

    Raises:
        ValueError: the margins are too small, and there is no ``logits``: choose other inputs.
    """
    label = name or ("generate" if use_cache else "generate-uncached")
    ids = expected if isinstance(expected, torch.Tensor) else expected.ids
    limit = 0.0 if scale is None else 2 * tolerance(dtype, layers_of(model), scale)
    certain = isinstance(expected, torch.Tensor) or expected.margin > limit
    if not certain and (logits is None or input_ids is None):
        raise ValueError(f"the reference's smallest margin is within rounding ({limit:.3g}): choose other inputs")
    if input_ids is not None:
        new = int(ids.shape[1] - input_ids.shape[1])
        inputs["input_ids"] = input_ids
        inputs.setdefault("attention_mask", torch.ones_like(input_ids))
    elif new_tokens is not None:
        new = new_tokens
    else:
        raise ValueError("without input_ids, say how many new_tokens are expected")
    cell.step(label)
    generator: Any = model
    with torch.no_grad():
        decoded: torch.Tensor = generator.generate(
            max_new_tokens=new_tokens or new,
            do_sample=False,
            num_beams=1,
            use_cache=use_cache,
            **_brought(inputs, model),
        )
    cell.answered = True
    if certain or logits is None or input_ids is None:
        observed = decoded[:, input_ids.shape[1] :] if input_ids is not None else decoded[:, -new:]
        cell.equal(label, observed.tolist(), ids[:, -new:].tolist())
    elif decoded.shape != ids.shape or not torch.equal(decoded[:, :-new].cpu(), input_ids):
        cell.equal(label, list(decoded.shape), list(ids.shape))
    else:
        cell.check(label, regret(logits(decoded.cpu()), decoded.cpu(), new), limit)
    return decoded


def regret(logits: torch.Tensor, ids: torch.Tensor, new: int) -> float:
    """How much better, at worst, the reference's best token was than the one that was written.

    Args:
        logits: (batch, length, vocab), the reference's over what was written.
        ids: (batch, length), the last ``new`` of them written.
    """
    before = logits[:, -new - 1 : -1]
    chosen = before.gather(-1, ids[:, -new:, None])[..., 0]
    return float((before.max(dim=-1).values - chosen).max())
