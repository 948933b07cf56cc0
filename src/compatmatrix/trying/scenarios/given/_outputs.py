"""What a loaded model answers: the same twice, finite, and right by the best judge that there is.

The judge is the independent reference where the architecture has one; else the same model in float64, in the same
version, which finds what went wrong in this load and in this dtype, and not what the version does wrong always. That
shows between versions: some numbers of each answer are kept as a fact, and the host compares them.
"""

import copy
from typing import TYPE_CHECKING, Any, Dict, Mapping, NamedTuple, Optional

import torch

from compatprobe.tensors import distance
from scenarios.common import verify

from . import _asked, _inputs, _load, _references, _tensors

if TYPE_CHECKING:
    from compatprobe import Cell

    from ._files import Files

#: verify.tolerance is made for weights of one size; trained ones have outliers that amplify rounding.
SLACK = 10.0
#: How many numbers of an answer are kept.
KEPT = 24


class Answer(NamedTuple):
    """An output, and how far a right one may be from it."""

    output: torch.Tensor
    tolerance: float


def tolerance(dtype: torch.dtype, layers: int, scale: float) -> float:
    """:func:`verify.tolerance` with room for trained weights; half precision has more than enough of its own."""
    return verify.tolerance(dtype, layers, scale) * (SLACK if dtype in (torch.float32, torch.float64) else 1.0)


def check(
    cell: "Cell", model: torch.nn.Module, files: "Files", *, judge: bool = True, name: str = "forward"
) -> Optional[Answer]:
    """Ask the model and check its answer.

    None where nothing here has inputs for such a model, or where the file itself holds numbers that are not finite and
    the answer has some too: that is then a fact, and no version's fault.

    Args:
        judge: whether to hold the answer against the best judge; else it need only be the same twice, and finite.
    """
    given = _inputs.of(model)
    if given is None:
        cell.fact("not asked", f"there are no inputs here for a {type(model).__name__}")
        return None
    dtype = _load.dtype_of(model)
    cell.step(name)
    observed = run(model, given)
    cell.answered = True
    again = run(model, given)
    same = bool(((observed == again) | (observed.isnan() & again.isnan())).all())
    cell.check(f"{name} twice", 0 if same else 1, 0, "" if same else "the same question has two answers")
    bad = int((~observed.isfinite()).sum())
    if bad and files.not_finite():
        cell.fact("outputs not judged", f"{bad} of {observed.numel()} values are not finite, nor are some in the file")
        return None
    cell.check(f"{name} finite", bad, 0, f"{bad} of {observed.numel()} values are not finite" if bad else "")
    scale = float(observed.abs().max())
    answer = Answer(observed, tolerance(dtype, _load.layers_of(model), scale))
    if bad:
        return answer
    if judge:
        cell.step(f"{name} in float64")
        judged = _judge(cell, model, files, given, answer, dtype, name)
        if _tensors.MADE_UP not in cell.fingerprint:  # else no two loads answer alike
            _keep(cell, name, answer, judged, dtype)
    return answer


def run(model: torch.nn.Module, given: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """The output of a forward pass that people look at, on the CPU."""
    device, dtype = verify.home(model), _load.dtype_of(model)
    brought = {
        name: value.to(device).to(dtype) if value.is_floating_point() else value.to(device)
        for name, value in given.items()
    }
    with torch.no_grad():
        return _looked_at(model(**brought)).detach().cpu()


def _looked_at(result: Any) -> torch.Tensor:
    for name in ("logits", "last_hidden_state", "logits_per_image", "start_logits"):
        found = getattr(result, name, None)
        if isinstance(found, torch.Tensor):
            return found
    values = list(result.values()) if hasattr(result, "values") else list(result)
    for found in values:
        if isinstance(found, torch.Tensor) and found.is_floating_point():
            return found
    raise TypeError(f"the model's output, a {type(result).__name__}, has no tensor to look at")


def _judge(
    cell: "Cell",
    model: torch.nn.Module,
    files: "Files",
    given: Mapping[str, torch.Tensor],
    answer: Answer,
    dtype: torch.dtype,
    name: str,
) -> str:
    """Hold the answer against the best judge; which one that was."""
    # The reference computes from the file, which does not have what was made up.
    known = set(given) == {"input_ids", "attention_mask"} and _tensors.MADE_UP not in cell.fingerprint
    reference = _references.of(files, model, dtype) if known else None
    if reference is not None:
        try:
            expected = reference(given["input_ids"])
        except (KeyError, ValueError) as error:
            cell.fact("beyond the reference", f"{type(error).__name__}: {error}")
        else:
            cell.close(name, answer.output, expected, answer.tolerance)
            return "an independent reference"
    expected_here = _in_float64(cell, model, given)
    if expected_here is None:
        return "nothing"
    if _routes(model.config) and dtype not in (torch.float32, torch.float64):
        # In half precision rounding may send a token to another expert: right, and far away.
        cell.fact("from float64", float(f"{distance(answer.output, expected_here)[0]:.2g}"))
        return "nothing"
    cell.close(name, answer.output, expected_here, answer.tolerance)
    return "the same model in float64"


def _in_float64(cell: "Cell", model: torch.nn.Module, given: Mapping[str, torch.Tensor]) -> Optional[torch.Tensor]:
    if not _asked.IN_FLOAT64 or hasattr(model, "hf_device_map"):
        return None
    try:
        wide = copy.deepcopy(model).to(torch.float64)
        expected = run(wide, given)
    except Exception as error:  # code that mixes dtypes: it says nothing about the load
        cell.fact("not computed in float64", f"{type(error).__name__}: {error}")
        return None
    return expected.to(torch.float64) if bool(expected.isfinite().all()) else None


def _routes(config: Any) -> bool:
    parts = _inputs.parts(config)
    return any(
        "expert" in name and isinstance(value, int) and value > 1 for p in parts for name, value in vars(p).items()
    )


def _keep(cell: "Cell", name: str, answer: Answer, judged: str, dtype: torch.dtype) -> None:
    """Some numbers of the answer, spread over it, for the host to compare between versions."""
    flat = answer.output.to(torch.float64).reshape(-1)
    chosen = torch.linspace(0, flat.numel() - 1, min(KEPT, flat.numel())).long()
    told: Dict[str, Any] = {
        "shape": list(answer.output.shape),
        "dtype": str(dtype).replace("torch.", ""),
        "values": [float(f"{value:.9g}") for value in flat[chosen].tolist()],
        "tolerance": float(f"{answer.tolerance:.3g}"),
        "judged by": judged,
    }
    cell.fact(f"{name} output", told)
