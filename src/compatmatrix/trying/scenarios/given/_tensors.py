"""Whether every tensor of a loaded model is the file's, for any architecture.

A tensor of the file is looked for by its name: the very same one; with or without the base model's prefix; by the
path below containers (:mod:`scenarios.common.keys`). What is left over on both sides was renamed or fused by the
version: it is matched by what it holds (:mod:`._leftover`). What remains is a tensor that was lost, or one that the
version made up.
"""

import re
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Sequence, Set

import torch

from compatprobe import tensors as probe
from scenarios.common import keys

from . import _asked, _leftover, _load
from ._observed import Observed
from ._values import why_not

if TYPE_CHECKING:
    from compatprobe import Cell

    from ._files import Files

#: The fact that names parts which the class has and the file has not; outputs then differ from load to load.
MADE_UP = "made up"
#: What old files hold beside weights: masks and tables that newer versions compute.
_COMPUTED = re.compile(
    r"(^|\.)(inv_freq|position_ids|token_type_ids|num_batches_tracked|masked_bias|cos_cached|sin_cached|_extra_state)$"
)
_MASK = re.compile(r"(^|\.)(attn|attention)\.bias$")
#: What sits on top of a model: a class that has one makes it up where the file has none, and no load can do better.
_ON_TOP = re.compile(r"(^|_)(head|heads|lm_head|score|classifier|cls|qa_outputs|pooler)(_|$)")
#: How files from TensorFlow's days name the parts of a norm, and those before torch 2.1 the parts of a weight norm.
_OLD = (
    (re.compile(r"\.gamma$"), ".weight"),
    (re.compile(r"\.beta$"), ".bias"),
    (re.compile(r"\.weight_g$"), ".parametrizations.weight.original0"),
    (re.compile(r"\.weight_v$"), ".parametrizations.weight.original1"),
)


def check(cell: "Cell", model: torch.nn.Module, files: "Files", dtype: str, api: str, *, name: str = "tensors") -> None:
    """Check every parameter and persistent buffer against the files, and that every tensor of the files has a place.

    Args:
        dtype: what the load was asked for.
        api: the class that was asked; only the checkpoint's own class must have a place for all of it.
    """
    cell.step("verify")
    observed = Observed(model)
    names = _persistent(model)
    named = placed(model, files.names, names)
    asked = _load.as_dtype(dtype)
    problems: Dict[str, str] = {}
    for key, target in named.items():
        why = why_not(observed[target], files[key], asked)
        if why:
            problems[target] = why
    _forgive_tied(cell, model, named, problems)
    lost = {key: "in the file, but has no place in the model" for key in files.names if key not in named}
    lost = {key: why for key, why in lost.items() if not _computed(files[key], key, model)}
    made_up = [each for each in _unaccounted(model, observed, list(named.values())) if each in set(names)]
    before = len(lost)
    lost, made_up = _leftover.matched(cell, observed, files, lost, made_up, asked)
    matched = before - len(lost)
    if api not in _asked.WHOLE:
        lost, made_up = _other_class(cell, model, files, list(named), lost, made_up)
        before = len(lost)
        lost, made_up = _leftover.matched(cell, observed, files, lost, made_up, asked)
        matched += before - len(lost)
    problems.update(lost)
    problems.update(dict.fromkeys(made_up, "a parameter that is not in the file"))
    if not named and not matched:
        problems.setdefault("all tensors", "nothing of the file is in the model")
    shown = "; ".join(f"{key}: {why}" for key, why in list(problems.items())[:8])
    cell.check(name, len(problems), 0, shown + (f"; and {len(problems) - 8} more" if len(problems) > 8 else ""))
    cell.fact("tensors compared", len(named) + matched)
    bad = files.not_finite()
    if bad:
        cell.fact("not finite in the file", dict(sorted(bad.items())[:8]))


def _persistent(model: torch.nn.Module) -> List[str]:
    """Parameters, tied names too, and the buffers that are saved."""
    names = [name for name, _ in model.named_parameters(remove_duplicate=False)]
    for prefix, module in model.named_modules():
        passing: Set[str] = getattr(module, "_non_persistent_buffers_set", set())
        names += [
            f"{prefix}.{name}" if prefix else name
            for name, _ in module.named_buffers(recurse=False)
            if name not in passing
        ]
    return names


def placed(model: torch.nn.Module, files: Sequence[str], names: Sequence[str]) -> Dict[str, str]:
    """The file's name -> the model's, for those that have one by their names."""
    prefix = getattr(model, "base_model_prefix", "")
    known = set(names)
    found: Dict[str, str] = {}
    for key in files:
        name = next((one for one in _spellings(key, prefix) if one in known), None)
        if name is not None:
            found[key] = name
    taken = set(found.values())
    rest = [key for key in files if key not in found]
    by_path = keys.place(rest, [name for name in names if name not in taken])
    found.update({key: name for key, name in by_path.items() if name is not None})
    return found


def stored(model: torch.nn.Module, files: Sequence[str]) -> Set[str]:
    """The names in the model of what the file has by its names: these are compared with the file."""
    return set(placed(model, files, _persistent(model)).values())


def _spellings(key: str, prefix: str) -> List[str]:
    spelled = [key]
    for pattern, new in _OLD:
        if pattern.search(key):
            spelled.append(pattern.sub(new, key))
    if prefix:
        spelled += [
            one[len(prefix) + 1 :] if one.startswith(prefix + ".") else f"{prefix}.{one}" for one in list(spelled)
        ]
    return spelled


def _computed(tensor: torch.Tensor, key: str, model: torch.nn.Module) -> bool:
    """Whether a tensor of the file needs no place: what is computed, or what the class itself says it leaves out."""
    if _COMPUTED.search(key) or (_MASK.search(key) and tensor.dim() == 4):
        return True
    patterns: Any = getattr(model, "_keys_to_ignore_on_load_unexpected", None) or ()
    return any(re.search(pattern, key) for pattern in patterns)


def _unaccounted(model: torch.nn.Module, observed: Mapping[str, torch.Tensor], accounted: Sequence[str]) -> List[str]:
    """Parameters that no tensor of the file stands for, and that are not tied to one that has.

    Offloaded, a head and its embedding may be two tensors: they are one where they are equal and one of them is known
    from the file. Where neither is, the embedding stands for all that equals it: it was made up, or renamed.
    """
    known = set(accounted)
    for group in probe.tied_groups(model):
        if known.intersection(group):
            known.update(group)
    left = [name for name, _ in model.named_parameters(remove_duplicate=False) if name not in known]
    ends = [name for name in _ends(model) if name in observed]
    if not ends or not getattr(model.config, "tie_word_embeddings", True):
        return left
    judge = next((name for name in ends if name in known), ends[0])
    want = observed[judge].detach()
    kept = set() if judge in known else {judge}
    return [name for name in left if name in kept or why_not(observed[name], want, None) is not None]


def _ends(model: torch.nn.Module) -> List[str]:
    """The names of the embedding and of the head that may be tied to it."""
    found = []
    for getter in ("get_input_embeddings", "get_output_embeddings"):
        try:
            module = getattr(model, getter)()
        except (AttributeError, NotImplementedError):
            continue
        found += [f"{name}.weight" for name, one in model.named_modules() if module is not None and one is module]
    return found


def _forgive_tied(cell: "Cell", model: torch.nn.Module, named: Mapping[str, str], problems: Dict[str, str]) -> None:
    """A file may hold two tensors where its configuration says that they are one: no version can keep both."""
    if not getattr(model.config, "tie_word_embeddings", False) or _says_untied():
        return
    accounted = set(named.values())
    for group in probe.tied_groups(model):
        right = [name for name in group if name in accounted and name not in problems]
        wrong = [name for name in group if name in problems]
        if right and wrong:
            cell.fact("the file contradicts itself", f"tied by its configuration, and not equal: {', '.join(group)}")
            for name in wrong:
                del problems[name]


def _says_untied() -> bool:
    """Whether the file's own configuration says that head and embedding are two: a version that ties is wrong then."""
    text = _asked.CONFIG.get("text_config")
    told = [_asked.CONFIG, *([text] if isinstance(text, Mapping) else [])]
    return any(one.get("tie_word_embeddings") is False for one in told)


def _other_class(
    cell: "Cell",
    model: torch.nn.Module,
    files: "Files",
    found: Sequence[str],
    lost: Dict[str, str],
    made_up: List[str],
) -> "tuple[Dict[str, str], List[str]]":
    """Leave out the parts that this class does not have, and those that the file does not: as a whole, or not at all.

    A class without a head has no place for the file's head; one with a head or a pooler that the file lacks makes a new
    one, and that is told. The model below it is the file's, or the load is wrong.
    """
    prefix = getattr(model, "base_model_prefix", "")
    held = {_part(key, prefix) for key in found}
    stored = {_part(key, prefix) for key in files.names}
    absent = sorted({_part(key, prefix) for key in lost} - held)
    new = sorted({_part(name, prefix) for name in made_up if _on_top(name, model)} - stored)
    if absent:
        cell.fact("parts without a place in this class", absent)
    if new:
        cell.fact(MADE_UP, new)
    kept = {key: why for key, why in lost.items() if _part(key, prefix) not in absent}
    return kept, [name for name in made_up if _part(name, prefix) not in new]


def _on_top(name: str, model: torch.nn.Module) -> bool:
    prefix = getattr(model, "base_model_prefix", "")
    below = bool(prefix) and hasattr(model, prefix)
    if below and not name.startswith(prefix + "."):
        return True
    return bool(_ON_TOP.search(_part(name, prefix)))


def _part(name: str, prefix: str) -> str:
    """The part of a model that a tensor belongs to: ``layers``, ``lm_head``, ``vision_tower``, ``pooler``."""
    containers = {"model", "language_model", "vision_model", prefix}
    return next((part for part in name.split(".") if part not in containers), name)
