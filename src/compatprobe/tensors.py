"""Facts about tensors and models: where values are, whether they are the checkpoint's, what is tied.

A model that is still offloaded has meta tensors in its ``state_dict``: their values are read through
accelerate's hooks. Torch does not always raise on a meta tensor, so every parameter *and buffer* is
looked at.
"""

import hashlib
import math
import re
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Tuple

if TYPE_CHECKING:
    import torch


_LAYER = re.compile(r"\.\d+\.")


def differences(observed: "Mapping[str, torch.Tensor]", expected: "Mapping[str, torch.Tensor]") -> Dict[str, str]:
    """The expected tensors that are not there bit for bit: name -> why."""
    import torch

    found = {}
    for name, want in expected.items():
        have = observed.get(name)
        if have is None:
            found[name] = "missing"
        elif have.is_meta:
            found[name] = "left on meta"
        elif have.shape != want.shape:
            found[name] = f"shape {tuple(have.shape)}, expected {tuple(want.shape)}"
        elif have.dtype != want.dtype:
            found[name] = f"dtype {have.dtype}, expected {want.dtype}"
        elif not torch.equal(have.detach().cpu(), want.cpu()):
            found[name] = "differs by up to {:.3g}".format(distance(have, want)[0])
    return found


def distance(observed: "torch.Tensor", expected: "torch.Tensor") -> Tuple[float, str]:
    """The largest absolute difference in float64, and a remark; infinite where they cannot be compared."""
    import torch

    if observed.is_meta:
        return math.inf, "left on meta"
    if observed.shape != expected.shape:
        return math.inf, f"shape {tuple(observed.shape)}, expected {tuple(expected.shape)}"
    if observed.numel() == 0:
        return math.inf, "empty"
    have = observed.detach().cpu().to(torch.float64)
    want = expected.detach().cpu().to(torch.float64)
    bad = int((~torch.isfinite(have)).sum())
    if bad:
        return math.inf, f"{bad} of {have.numel()} values are not finite"
    return float((have - want).abs().max()), ""


def hooks(module: "torch.nn.Module") -> Iterator[Any]:
    """The hooks that accelerate has put on a module itself, one by one."""
    hook = getattr(module, "_hf_hook", None)
    if hook is not None:
        yield from getattr(hook, "hooks", None) or (hook,)


def offloaded(model: "torch.nn.Module") -> "Dict[str, torch.Tensor]":
    """The values that accelerate keeps on cpu or disk for tensors that are on meta between calls."""
    values = {}
    for prefix, module in model.named_modules():
        weights = next((w for w in (getattr(h, "weights_map", None) for h in hooks(module)) if w is not None), None)
        if weights is None:
            continue
        local = list(module.named_parameters(recurse=False)) + list(module.named_buffers(recurse=False))
        for name, tensor in local:
            if tensor.is_meta:
                try:
                    values[f"{prefix}.{name}" if prefix else name] = weights[name]
                except KeyError:
                    continue
    return values


def read(model: "torch.nn.Module") -> "Dict[str, torch.Tensor]":
    """Every parameter and buffer, persistent or not, tied names too: name -> its value (meta where there is none)."""
    values = dict(model.named_parameters(remove_duplicate=False))
    values.update(model.named_buffers(remove_duplicate=False))
    values.update(offloaded(model))
    return values


def meta_leftovers(model: "torch.nn.Module") -> List[str]:
    """Parameters and buffers that have no value anywhere: on meta, and not offloaded."""
    return sorted(name for name, tensor in read(model).items() if tensor.is_meta)


def digest(tensors: "Mapping[str, torch.Tensor]") -> str:
    """A hash over names, dtypes, shapes and bytes."""
    import torch

    sha = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach()
        sha.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
        if tensor.is_meta:
            sha.update(b"meta")
        else:
            flat = tensor.cpu().contiguous().reshape(-1)
            sha.update(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    return sha.hexdigest()[:16]


def _count(values: "Iterator[str]") -> Dict[str, int]:
    counts: Dict[str, int] = {}
    for value in values:
        counts[value] = counts.get(value, 0) + 1
    return dict(sorted(counts.items()))


def tied_groups(model: "torch.nn.Module") -> List[List[str]]:
    """Names of parameters that are one and the same tensor (or share its storage)."""
    groups: Dict[Any, List[str]] = {}
    for name, tensor in model.named_parameters(remove_duplicate=False):
        key: Any = id(tensor) if tensor.is_meta else (str(tensor.device), tensor.data_ptr(), tuple(tensor.shape))
        if tensor.is_meta or tensor.data_ptr():
            groups.setdefault(key, []).append(name)
    return sorted(sorted(names) for names in groups.values() if len(names) > 1)


def describe(model: "torch.nn.Module") -> Dict[str, Any]:
    """The model's part of a fingerprint; no value in it depends on addresses or on time."""
    parameters = dict(model.named_parameters(remove_duplicate=False))
    buffers = dict(model.named_buffers(remove_duplicate=False))
    values = read(model)
    device_map: Optional[Mapping[str, Any]] = getattr(model, "hf_device_map", None)
    return {
        "class": type(model).__name__,
        "parameters": len(parameters),
        "devices": _count(str(t.device) for t in parameters.values()),
        "dtypes": _count(str(t.dtype).replace("torch.", "") for t in parameters.values()),
        "buffers": _count(
            f"{_LAYER.sub('.*.', name)} {str(t.dtype).replace('torch.', '')}@{t.device}" for name, t in buffers.items()
        ),
        "meta_leftovers": meta_leftovers(model),
        "offloaded": len(offloaded(model)),
        "tied": tied_groups(model),
        "device_map": {str(k): str(v) for k, v in device_map.items()} if device_map else None,
        "parameters_digest": digest({name: values[name] for name in parameters}),
        "buffers_digest": digest({name: values[name] for name in buffers}),
    }
