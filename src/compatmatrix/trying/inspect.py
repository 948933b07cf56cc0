"""A checkpoint's directory, read by the host: configuration, headers, indexes. Nothing is unpickled or run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from compatmatrix.errors import CheckpointError
from compatmatrix.trying import headers, pickles
from compatmatrix.trying.found import WIDTHS, Found, Tensor

#: In the order in which ``from_pretrained`` looks for them.
_SINGLE = ("model.safetensors", "pytorch_model.bin")
_TOKENIZERS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template.jinja",
)
#: Any one of these is a tokenizer; the others only go with it.
_VOCABULARIES = frozenset(_TOKENIZERS[:1] + _TOKENIZERS[2:8])
_ELSEWHERE = (
    ("adapter_config.json", "is an adapter, not a model: try the model that it was made for"),
    ("model_index.json", "is a pipeline of Diffusers: try the directory of one of its models"),
    ("*.gguf", "holds GGUF files, which are llama.cpp's: try the checkpoint that they were made from"),
)
#: What tokenizers unpickle (Transformer-XL's, and those that come with code).
_PICKLED = ("*.pkl", "*.pickle", "vocab.bin")
_OTHER_WEIGHTS = ("tf_model.h5", "flax_model.msgpack", "consolidated*.pth", "consolidated*.safetensors", "*.gguf")


@dataclass
class _Look:
    """What has been found so far."""

    directory: Path
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    looked: list[pickles.Looked] = field(default_factory=list)


def inspect(directory: Path, *, weights: bool = True) -> Found:
    """Read a checkpoint; raises :class:`CheckpointError` with everything that is wrong with its files.

    ``weights``: whether they are there to be read; a model that would not fit is looked at without.
    """
    look = _Look(directory)
    config = _config(look)
    files = _weights(look) if weights else ()
    generation = _json(look, "generation_config.json") if (directory / "generation_config.json").exists() else {}
    tokenizer = _json(look, "tokenizer_config.json") if (directory / "tokenizer_config.json").exists() else {}
    _check_architectures(look, config)
    _check_vocabularies(look, tokenizer)
    if look.problems:
        raise CheckpointError(str(directory), look.problems)
    sizes = [(directory / file).stat().st_size for file in files]
    return Found(
        directory=directory,
        config=config,
        generation=generation,
        tokenizer=_tokenizer(directory),
        weights=files,
        tensors=look.tensors,
        bytes=sum(sizes),
        largest_file=max(sizes, default=0),
        stored=_stored(look, config),
        code=_code(config, tokenizer),
        notes=tuple(look.notes),
    )


def _config(look: _Look) -> Mapping[str, Any]:
    directory = look.directory
    if not directory.is_dir():
        raise CheckpointError(str(directory), ["is a file; a checkpoint is a directory with a config.json"])
    if (directory / "config.json").is_file():
        return _json(look, "config.json")
    for pattern, told in _ELSEWHERE:
        if any(directory.glob(pattern)):
            raise CheckpointError(str(directory), [told], hint=_base(directory))
    raise CheckpointError(str(directory), ["there is no config.json: it is not a checkpoint of transformers"])


def _check_architectures(look: _Look, config: Mapping[str, Any]) -> None:
    named = config.get("architectures")
    if named is not None and not (isinstance(named, list) and all(isinstance(each, str) for each in named)):
        look.problems.append(f"config.json: architectures is {named!r}, not a list of names")


def _check_vocabularies(look: _Look, tokenizer: Mapping[str, Any]) -> None:
    """Tokenizers of some versions unpickle a vocabulary, and no switch of ours keeps them from it."""
    found = {path.name for pattern in _PICKLED for path in look.directory.glob(pattern)}
    found.update(str(value) for key, value in tokenizer.items() if key == "pretrained_vocab_file" and value)
    look.problems += [
        f"{name}: a tokenizer may unpickle it, which runs code: move it away, or use a tokenizer.json"
        for name in sorted(found)
    ]


def _base(directory: Path) -> str:
    try:
        base = json.loads((directory / "adapter_config.json").read_text(encoding="utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return f"compatmatrix try {base}"


def _json(look: _Look, name: str) -> dict[str, Any]:
    try:
        found = json.loads((look.directory / name).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        look.problems.append(f"{name}: not JSON: {error}" if isinstance(error, ValueError) else f"{name}: {error}")
        return {}
    if not isinstance(found, dict):
        look.problems.append(f"{name}: not a mapping")
        return {}
    return found


def _tokenizer(directory: Path) -> tuple[str, ...]:
    found = tuple(name for name in _TOKENIZERS if (directory / name).is_file())
    return found if _VOCABULARIES & set(found) or list(directory.glob("*.tiktoken")) else ()


def _weights(look: _Look) -> tuple[str, ...]:
    """The weight files that ``from_pretrained`` would take; every pickled one in its reach is looked at."""
    chosen: tuple[str, ...] = ()
    for single in _SINGLE:
        index = f"{single}.index.json"
        if not chosen and (look.directory / single).is_file():
            chosen = (single,)
        elif not chosen and (look.directory / index).is_file():
            chosen = _indexed(look, index)
            if not chosen:
                return ()
    if not chosen:
        others = [path.name for pattern in _OTHER_WEIGHTS for path in look.directory.glob(pattern)]
        instead = f"; {', '.join(sorted(others)[:3])} cannot be tried" if others else ""
        look.problems.append(f"there are no weights: neither {' nor '.join(_SINGLE)}, nor an index of either{instead}")
    for file in chosen:
        _read(look, file)
    # A version that prefers another file than this must not come upon one that runs code.
    for path in sorted(look.directory.glob("pytorch_model*.bin")):
        if path.name not in chosen:
            _pickled(look, path.name, keep=False)
    _check_index(look, chosen)
    return chosen


def _indexed(look: _Look, index: str) -> tuple[str, ...]:
    weight_map = _json(look, index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        look.problems.append(f"{index}: has no weight_map")
        return ()
    files = dict.fromkeys(str(file) for file in weight_map.values())
    outside = [file for file in files if Path(file).name != file or file in ("", ".", "..")]
    missing = [file for file in files if file not in outside and not (look.directory / file).is_file()]
    look.problems += [f"{index}: names {file!r}, which is not in the directory" for file in outside]
    look.problems += [f"{index}: names {file}, which is missing" for file in missing]
    return tuple(file for file in files if file not in outside and file not in missing)


def _read(look: _Look, file: str) -> None:
    if not file.endswith(".safetensors"):
        _pickled(look, file, keep=True)
        return
    try:
        found = headers.read(look.directory / file)
    except (headers.HeaderError, OSError) as error:
        look.problems.append(f"{file}: {error}")
        return
    twice = sorted(found.keys() & look.tensors.keys())
    if twice:
        look.problems.append(f"{file}: holds {twice[0]!r}, which {look.tensors[twice[0]].file} holds too")
    look.tensors.update(found)


def _pickled(look: _Look, file: str, *, keep: bool) -> None:
    try:
        looked = pickles.look(look.directory / file)
    except (pickles.PickleRefusedError, OSError) as error:
        look.problems.append(f"{file}: {error}")
        return
    if keep:
        look.looked.append(looked)


def _check_index(look: _Look, chosen: Iterable[str]) -> None:
    """What an index says of tensors against what the files hold."""
    for single in _SINGLE:
        index = f"{single}.index.json"
        if look.problems or single in chosen or not (look.directory / index).is_file():
            continue
        weight_map = _json(look, index).get("weight_map", {})
        if not isinstance(weight_map, dict):
            look.problems.append(f"{index}: its weight_map is not a mapping")
            continue
        named = {str(name): str(file) for name, file in weight_map.items()}
        if not set(named.values()) <= set(chosen):
            continue
        if single.endswith(".safetensors"):
            wrong = [
                name for name, file in named.items() if name not in look.tensors or look.tensors[name].file != file
            ]
            unnamed = sorted(look.tensors.keys() - named.keys())
        else:
            texts = set().union(*(looked.texts for looked in look.looked))
            wrong, unnamed = [name for name in named if name not in texts], []
        if wrong:
            more = f", and {len(wrong) - 1} more" if len(wrong) > 1 else ""
            look.problems.append(f"{index}: says that {named[wrong[0]]} holds {wrong[0]!r}{more}; it does not")
        if unnamed:
            look.notes.append(f"{index} does not name {len(unnamed)} tensors of its files, such as {unnamed[0]}")


def _stored(look: _Look, config: Mapping[str, Any]) -> str:
    counts: Counter[str] = Counter()
    for tensor in look.tensors.values():
        if "float" in tensor.dtype:
            counts[tensor.dtype] += tensor.numbers
    for looked in look.looked:
        counts.update(looked.storages)
    if counts:
        return counts.most_common(1)[0][0]
    named = str(config.get("torch_dtype") or config.get("dtype") or "float32").removeprefix("torch.")
    return named if named in WIDTHS else "float32"


def _code(config: Mapping[str, Any], tokenizer: Mapping[str, Any]) -> tuple[str, ...]:
    """The checkpoint's own classes, by the ``auto_map`` of its configurations."""
    found: dict[str, None] = {}
    for told in (config, tokenizer):
        auto_map = told.get("auto_map")
        for value in auto_map.values() if isinstance(auto_map, dict) else ():
            found.update(dict.fromkeys(str(one) for one in (value if isinstance(value, list) else [value]) if one))
    return tuple(found)
