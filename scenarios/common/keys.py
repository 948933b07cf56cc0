"""Which tensor of a checkpoint belongs to which tensor of a model, by the model's own structure.

The names differ between classes and versions: ``AutoModel`` lacks the ``model.`` prefix, transformers 4.52
moved the parts of multimodal models (``language_model.model.*`` -> ``model.language_model.*``), and
transformers 5 fuses a mixture's experts into one tensor. What is the same everywhere is the path below
those containers.
"""

import re
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import torch

#: A checkpoint's key -> the name in the class, or None where the class has no place for it.
Rename = Callable[[str], Optional[str]]

#: Containers that come and go between classes and versions.
_CONTAINERS = frozenset({"model", "language_model", "vision_model"})
_EXPERT = re.compile(r"(?P<layer>.*)\.block_sparse_moe\.experts\.(?P<expert>\d+)\.(?P<part>w[123])\.weight")
_HEAD = "lm_head.weight"
_EMBEDDING = "embed_tokens.weight"


def _path(name: str) -> Tuple[str, ...]:
    """The name without containers: equal for one tensor in all classes."""
    return tuple(part for part in name.split(".") if part not in _CONTAINERS)


def place(keys: Sequence[str], names: Sequence[str]) -> Dict[str, Optional[str]]:
    """Each key's name in the model: the very same one, or the only one with the same path; else None."""
    known = set(names)
    by_path: Dict[Tuple[str, ...], List[str]] = {}
    for name in names:
        by_path.setdefault(_path(name), []).append(name)
    shared: Dict[Tuple[str, ...], int] = {}
    for key in keys:
        shared[_path(key)] = shared.get(_path(key), 0) + 1
    placed: Dict[str, Optional[str]] = {}
    for key in keys:
        candidates = by_path.get(_path(key), [])
        only = candidates[0] if len(candidates) == 1 and shared[_path(key)] == 1 else None
        placed[key] = key if key in known else only
    return placed


def fuse_experts(tensors: Mapping[str, torch.Tensor], names: Sequence[str]) -> Dict[str, torch.Tensor]:
    """The checkpoint as a model with fused experts holds it; unchanged for a model with separate ones.

    Per layer, ``gate_up_proj`` (experts, 2 * inner, width) is w1 above w3, ``down_proj`` (experts, width,
    inner) is w2, and the router moves from ``block_sparse_moe.gate`` to ``mlp.gate``.
    """
    if not any(name.endswith("mlp.experts.gate_up_proj") for name in names):
        return dict(tensors)
    fused: Dict[str, torch.Tensor] = {}
    experts: Dict[str, Dict[str, Dict[int, torch.Tensor]]] = {}
    for key, tensor in tensors.items():
        match = _EXPERT.fullmatch(key)
        if match:
            parts = experts.setdefault(match["layer"], {})
            parts.setdefault(match["part"], {})[int(match["expert"])] = tensor
        else:
            fused[key.replace(".block_sparse_moe.gate.", ".mlp.gate.")] = tensor
    for layer, parts in experts.items():
        stacked = {part: torch.stack([some[i] for i in sorted(some)]) for part, some in parts.items()}
        fused[f"{layer}.mlp.experts.gate_up_proj"] = torch.cat([stacked["w1"], stacked["w3"]], dim=1)
        fused[f"{layer}.mlp.experts.down_proj"] = stacked["w2"]
    return fused


def expected_tensors(
    model: torch.nn.Module,
    names: Sequence[str],
    parameters: Sequence[str],
    tensors: Mapping[str, torch.Tensor],
    rename: Optional[Rename] = None,
) -> Tuple[Dict[str, torch.Tensor], Dict[str, str]]:
    """What each of the model's tensors must be, and what cannot be accounted for.

    Args:
        model: asked only whether it has an output head: a class without one has no place for the file's.
        names: of all its parameters and buffers, tied names too.
        parameters: those of them that are parameters; each must be accounted for.
        tensors: the checkpoint's.
        rename: see :data:`Rename`.

    Returns:
        The model's name -> the value that it must have; and name -> why it has none.
    """
    renamed: Dict[str, torch.Tensor] = {}
    for key, tensor in fuse_experts(tensors, names).items():
        name = rename(key) if rename else key
        if name is not None:
            renamed[name] = tensor
    expected: Dict[str, torch.Tensor] = {}
    problems: Dict[str, str] = {}
    headless = not any(name.endswith(_HEAD) for name in names) and _no_head(model)
    for key, found in place(list(renamed), names).items():
        if found is not None:
            expected[found] = renamed[key]
        elif not (headless and key.endswith(_HEAD)):
            problems[key] = "in the file, but has no place in the model"
    for name in parameters:
        if name in expected:
            continue
        tied = _tied(name, tensors, expected)
        if tied is None:
            problems[name] = "a parameter that is not in the file"
        else:
            expected[name] = tied
    return expected, problems


def _no_head(model: torch.nn.Module) -> bool:
    get = getattr(model, "get_output_embeddings", None)
    return get is None or get() is None


def _tied(
    name: str, tensors: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> Optional[torch.Tensor]:
    """A head that the file does not hold is the input embedding."""
    if not name.endswith(_HEAD) or any(key.endswith(_HEAD) for key in tensors):
        return None
    return next((value for key, value in expected.items() if key.endswith(_EMBEDDING)), None)
