"""Checkpoints by hand, without torch: safetensors from bytes, pickles from opcodes, configurations."""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LLAMA = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4,
    "num_hidden_layers": 1,
    "torch_dtype": "float32",
    "vocab_size": 8,
}
#: File -> its bytes, or what it says as JSON.
Files = dict[str, bytes | dict[str, Any]]
_PACKED = {"F32": "f", "F16": "e", "F64": "d", "I64": "q"}


def safetensors(tensors: Mapping[str, Sequence[float]], dtype: str = "F32", **more: Any) -> bytes:
    """A file of vectors; ``more`` replaces what the header says of a tensor, by its name."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, values in tensors.items():
        packed = struct.pack(f"<{len(values)}{_PACKED[dtype]}", *values)
        header[name] = {"dtype": dtype, "shape": [len(values)], "data_offsets": [len(data), len(data) + len(packed)]}
        data += packed
    header.update(more)
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def state_dict(name: str = "w", kind: str = "Float", count: int = 4) -> bytes:
    """The pickle that ``torch.save`` writes for one tensor: protocol 2."""
    size = struct.pack("<B", count)
    return (
        b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01(X" + struct.pack("<I", len(name)) + name.encode() + b"q\x02"
        b"ctorch._utils\n_rebuild_tensor_v2\nq\x03((X\x07\x00\x00\x00storageq\x04ctorch\n"
        + kind.encode()
        + b"Storage\nq\x05X\x01\x00\x00\x000q\x06X\x03\x00\x00\x00cpuq\x07K"
        + size
        + b"tq\x08QK\x00K"
        + size
        + b"\x85q\tK\x01\x85q\n\x89h\x00)Rq\x0btq\x0cRq\ru."
    )


def zipped(pickle: bytes, **more: bytes) -> bytes:
    """What ``torch.save`` writes around a pickle; ``more`` are further entries."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickle)
        archive.writestr("archive/data/0", b"\0" * 16)
        for name, content in more.items():
            archive.writestr(f"archive/{name.replace('_', '.')}", content)
    return stream.getvalue()


def legacy(pickle: bytes) -> bytes:
    """What torch wrote before 1.6: five pickles, then the numbers."""
    small = b"\x80\x02K\x01."
    return small * 3 + pickle + b"\x80\x02]q\x00X\x01\x00\x00\x000q\x01a." + b"\0" * 16


def checkpoint(directory: Path, files: Mapping[str, bytes | dict[str, Any]] | None = None, **config: Any) -> Path:
    """A directory with a configuration and these files; one safetensors file where none are given."""
    directory.mkdir(parents=True, exist_ok=True)
    chosen = {"model.safetensors": safetensors({"w": [1.0, 2.0]})} if files is None else files
    for name, content in {"config.json": {**LLAMA, **config}, **chosen}.items():
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        (directory / name).write_bytes(data)
    return directory


def index(weight_map: Mapping[str, str]) -> dict[str, Any]:
    return {"metadata": {"total_size": 1}, "weight_map": dict(weight_map)}
