"""Tensors whose names say nothing: matched by what they hold.

Versions rename (``transformer.wte`` -> ``model.embed_tokens``) and fuse (a mixture's experts into one tensor).
A tensor that was only renamed is there bit for bit. Tensors that were fused, split or transposed hold the same
numbers in another arrangement: nothing was lost or made up, and whether the arrangement is right, the outputs tell.
"""

import hashlib
from typing import TYPE_CHECKING, Dict, Iterable, List, Mapping, Optional, Tuple

import torch

if TYPE_CHECKING:
    from compatprobe import Cell

    from ._files import Files

Found = Tuple[Dict[str, str], List[str]]
#: Odd 64-bit constants (SplitMix64), as the signed numbers that torch multiplies.
_MIX = (-7046029254386353131, -4658895280553007687, -7723592293110705685)
_WIDTHS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def matched(
    cell: "Cell",
    observed: Mapping[str, torch.Tensor],
    files: "Files",
    lost: Dict[str, str],
    made_up: List[str],
    asked: Optional[torch.dtype],
) -> Found:
    """What is still lost, and still made up, after the renamed and the rearranged have been taken out."""
    made_up = list(dict.fromkeys(made_up))
    if not lost or not made_up or any(observed[name].is_meta for name in made_up):
        return lost, made_up
    dtypes = {observed[name].dtype for name in made_up}
    waiting: Dict[str, List[str]] = {}
    for name in made_up:
        waiting.setdefault(_digest(observed[name]), []).append(name)
    renamed: Dict[str, str] = {}
    for key in lost:
        for one in _as_loaded(files[key], dtypes, asked):
            names = waiting.get(_digest(one))
            if names:
                renamed[key] = names.pop()
                break
    lost = {key: why for key, why in lost.items() if key not in renamed}
    made_up = [name for name in made_up if name not in set(renamed.values())]
    if renamed:
        cell.fact("renamed by the version", len(renamed))
    if lost and made_up and _conserved([observed[name] for name in made_up], files, list(lost), asked):
        cell.fact("rearranged by the version", {"in the file": len(lost), "in the model": len(made_up)})
        return {}, []
    return lost, made_up


def _as_loaded(tensor: torch.Tensor, dtypes: Iterable[torch.dtype], asked: Optional[torch.dtype]) -> List[torch.Tensor]:
    rounded = tensor if asked is None or not tensor.is_floating_point() else tensor.to(asked)
    return [rounded.to(dtype) for dtype in dtypes]


def _digest(tensor: torch.Tensor) -> str:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    sha = hashlib.sha256(f"{tensor.dtype}|{tuple(tensor.shape)}|".encode())
    if flat.numel():
        sha.update(flat.view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()


def _conserved(tensors: List[torch.Tensor], files: "Files", keys: List[str], asked: Optional[torch.dtype]) -> bool:
    """Whether two collections hold the same numbers, each as often, in whatever order."""
    dtypes = {tensor.dtype for tensor in tensors}
    if len(dtypes) != 1:
        return False
    have = _total(_signature(tensor) for tensor in tensors)
    want = _total(_signature(_as_loaded(files[key], dtypes, asked)[0]) for key in keys)
    return have == want


def _signature(tensor: torch.Tensor) -> Tuple[int, ...]:
    """Count, and two sums over a hash of each number's bits: the same for any order of the numbers."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    bits = flat.view(_WIDTHS[flat.element_size()]).to(torch.int64)
    sums = []
    for extra in (1, 7):
        mixed = (bits + extra) * _MIX[0]
        mixed = (mixed ^ (mixed >> 30)) * _MIX[1]
        mixed = (mixed ^ (mixed >> 27)) * _MIX[2]
        sums.append(int((mixed ^ (mixed >> 31)).sum()))
    return (flat.numel(), *sums)


def _total(signatures: Iterable[Tuple[int, ...]]) -> Tuple[int, ...]:
    total = (0, 0, 0)
    for signature in signatures:
        total = tuple((a + b) & (2**64 - 1) for a, b in zip(total, signature))  # type: ignore[assignment]
    return total
