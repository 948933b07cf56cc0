"""Whether a loaded tensor holds the numbers of the file: bit for bit, where it has the file's dtype."""

from typing import Iterator, List, Optional

import torch

from . import _asked

#: Numbers that are compared at once: an embedding of a large vocabulary would take gigabytes in float64.
_AT_ONCE = 1 << 24


def why_not(have: torch.Tensor, want: torch.Tensor, asked: Optional[torch.dtype]) -> Optional[str]:
    """Why a tensor is not the file's; None where it is.

    Args:
        asked: the dtype of the load: the numbers are then the file's, or the file's rounded to it. None where none was
            named: they are the file's, or rounded to the dtype that the configuration names, or to float32.
    """
    if have.is_meta:
        return "left on meta"
    if have.shape != want.shape:
        return f"shape {tuple(have.shape)}, in the file {tuple(want.shape)}"
    if not want.is_floating_point() or not have.is_floating_point():
        same = have.is_floating_point() == want.is_floating_point() and torch.equal(
            have.cpu(), want.cpu().to(have.dtype)
        )
        return None if same else "differs"
    have = have.detach().cpu()
    far = [_far(have, want.to(dtype)) for dtype in _roundings(want.dtype, have.dtype, asked)]
    return None if min(far) == 0 else f"differs by up to {min(far):.3g}"


def _roundings(stored: torch.dtype, loaded: torch.dtype, asked: Optional[torch.dtype]) -> List[torch.dtype]:
    if asked is not None:
        return [stored, asked]
    named = str(_asked.CONFIG.get("torch_dtype") or _asked.CONFIG.get("dtype") or "").replace("torch.", "")
    admitted = (torch.float32, getattr(torch, named, None) if named else None)
    return [stored, loaded] if loaded in admitted else [stored]


def _far(have: torch.Tensor, want: torch.Tensor) -> float:
    """The largest difference; a NaN in both is none, one in either is infinite."""
    return max((_difference(a, b) for a, b in _pieces(have, want)), default=0.0)


def _difference(have: torch.Tensor, want: torch.Tensor) -> float:
    one, other = have.to(torch.float64), want.to(torch.float64)
    if bool((one.isnan() != other.isnan()).any()):
        return float("inf")
    apart = (one - other).abs()
    apart[(one == other) | one.isnan()] = 0.0  # two infinities are equal, and their difference is NaN
    return float(apart.max())


def _pieces(have: torch.Tensor, want: torch.Tensor) -> "Iterator[tuple[torch.Tensor, torch.Tensor]]":
    one, other = have.reshape(-1), want.reshape(-1)
    for start in range(0, one.numel(), _AT_ONCE):
        yield one[start : start + _AT_ONCE], other[start : start + _AT_ONCE]
