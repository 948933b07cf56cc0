"""Small checkpoints on disk, in the file layout of published ones.

Written without transformers, from seeded numbers: the same call gives the same bytes on every machine,
so what a version loads can be compared with the file bit for bit.
"""

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy
import torch

_NAMES = {"safetensors": ("model", "safetensors"), "bin": ("pytorch_model", "bin")}


@dataclass(frozen=True)
class Checkpoint:
    """A directory that ``from_pretrained`` can read, and what is in it.

    Attributes:
        path: the directory.
        config: the contents of ``config.json``.
        tensors: name -> tensor, exactly as stored: the file's own names, dtype and values.
    """

    path: Path
    config: Dict[str, Any]
    tensors: Dict[str, torch.Tensor]


def seeded(name: str, shape: Sequence[int], *, seed: int = 0) -> torch.Tensor:
    """Standard normal float32 numbers that depend on ``name``, ``shape`` and ``seed`` only.

    The stream of ``RandomState`` is frozen by NumPy's compatibility policy (NEP 19); torch's is not. Each
    tensor has a stream of its own: no two are equal, and one more tensor does not change the others.
    """
    stream = numpy.random.RandomState(zlib.crc32(f"{seed}:{name}".encode()))
    return torch.from_numpy(stream.standard_normal(tuple(shape)).astype(numpy.float32))


def seeded_offsets(name: str, shape: Sequence[int], *, seed: int = 0) -> torch.Tensor:
    """Float32 numbers of both signs between 0.2 and 0.6 in size, for norm weights: none is near zero."""
    stream = numpy.random.RandomState(zlib.crc32(f"{seed}:{name}".encode()))
    sizes = stream.uniform(0.2, 0.6, tuple(shape))
    signs = numpy.where(stream.uniform(size=tuple(shape)) < 0.5, -1.0, 1.0)
    return torch.from_numpy((sizes * signs).astype(numpy.float32))


def write_checkpoint(
    directory: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    *,
    shards: int = 1,
    format: str = "safetensors",
    metadata: bool = True,
    generation_config: Optional[Mapping[str, Any]] = None,
) -> Checkpoint:
    """Write ``config.json`` and the weights; the directory is made where it is missing.

    Args:
        directory: where to write; the weights of another call in it are not removed.
        config: written to ``config.json``.
        tensors: name -> tensor, on the CPU.
        shards: how many weight files; more than one are named ``-00001-of-0000N``, with an index.
        format: ``safetensors`` or ``bin`` (``torch.save``).
        metadata: whether safetensors files say ``{"format": "pt"}``; published files without it exist.
        generation_config: written to ``generation_config.json`` where given.

    Raises:
        ValueError: an unknown format, or not between one shard and one for each tensor.
    """
    if format not in _NAMES:
        raise ValueError(f"format {format!r}: use one of {', '.join(_NAMES)}")
    if not 1 <= shards <= len(tensors):
        raise ValueError(f"shards={shards}: use 1 to {len(tensors)}, the number of tensors")
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    # Own, contiguous storage: views would be written with what they share, or be refused.
    stored = {name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}
    _write_json(directory / "config.json", config)
    if generation_config is not None:
        _write_json(directory / "generation_config.json", generation_config)
    stem, suffix = _NAMES[format]
    weight_map: Dict[str, str] = {}
    for number, names in enumerate(_split(stored, shards), start=1):
        file = f"{stem}.{suffix}" if shards == 1 else f"{stem}-{number:05d}-of-{shards:05d}.{suffix}"
        _write_weights(directory / file, {name: stored[name] for name in names}, format, metadata)
        weight_map.update(dict.fromkeys(names, file))
    if shards > 1:
        total = sum(_bytes(tensor) for tensor in stored.values())
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))}
        _write_json(directory / f"{stem}.{suffix}.index.json", index)
    return Checkpoint(directory, dict(config), stored)


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _write_weights(path: Path, tensors: Dict[str, torch.Tensor], format: str, metadata: bool) -> None:
    if format == "bin":
        torch.save(tensors, str(path))
        return
    from safetensors.torch import save_file

    save_file(tensors, str(path), metadata={"format": "pt"} if metadata else None)


def _bytes(tensor: torch.Tensor) -> int:
    return int(tensor.numel() * tensor.element_size())


def _split(tensors: Mapping[str, torch.Tensor], shards: int) -> List[List[str]]:
    """The names in their order, in ``shards`` runs of about the same number of bytes; none is empty."""
    total = sum(_bytes(tensor) for tensor in tensors.values())
    runs: List[List[str]] = [[]]
    written = 0
    for position, (name, tensor) in enumerate(tensors.items()):
        left = len(tensors) - position
        full = runs[-1] and written >= total * len(runs) / shards
        needed = runs[-1] and left <= shards - len(runs)
        if len(runs) < shards and (full or needed):
            runs.append([])
        runs[-1].append(name)
        written += _bytes(tensor)
    return runs
