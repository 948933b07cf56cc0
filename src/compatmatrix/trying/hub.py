"""A checkpoint by its id on the Hugging Face hub: fetched by the host into the hub's own cache, as a directory.

The token is the one that `huggingface_hub` finds in its usual places; it is not read, kept, shown or handed on here.
Columns have no network and no token: they get the directory.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compatmatrix.errors import InfrastructureError, InputError
from compatmatrix.text import one_line
from compatmatrix.trying.estimate import told

_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_SMALL = (".json", ".model", ".txt", ".jinja", ".tiktoken")
_WEIGHTS = {
    "safetensors": re.compile(r"model(-\d+-of-\d+)?\.safetensors"),
    "bin": re.compile(r"pytorch_model(-\d+-of-\d+)?\.bin"),
}
_PRIVATE = "a private or gated one needs a token: set HF_TOKEN, or `hf auth login`"


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A directory; ``weights``: whether they are in it, ``size``: their bytes where they were left on the hub."""

    directory: Path
    weights: bool = True
    size: int = 0


def resolve(given: str, *, revision: str | None, code: bool, room: int, progress: Callable[[str], None]) -> Fetched:
    """A local directory as it is, or an id fetched from the hub.

    ``code``: whether Python files are wanted. Weights of more than ``room`` bytes are left where they are.
    Raises :class:`InputError` where there is no such checkpoint, :class:`InfrastructureError` where the hub cannot be
    reached.
    """
    path = Path(given).expanduser()
    if path.exists():
        return Fetched(directory=path)
    if not _ID.fullmatch(given):
        raise InputError(f"{given}: there is no such directory", hint="name a directory with a config.json, or an id")
    return _fetch(given, revision, code, room, progress)


def _fetch(id: str, revision: str | None, code: bool, room: int, progress: Callable[[str], None]) -> Fetched:
    try:
        import huggingface_hub as hub
    except ImportError:
        raise InputError(
            f"{id}: there is no such directory, and ids of the hub need the package huggingface_hub",
            hint="pip install 'compatmatrix[hub]', or name a directory",
        ) from None
    progress(f"{id}  asking the hub")
    try:
        info = hub.HfApi().model_info(id, revision=revision, files_metadata=True)
        files = {str(each.rfilename): int(each.size or 0) for each in info.siblings or ()}
        wanted, size = _wanted(files, code), _size(files)
        if size > room:
            progress(f"{id}  {told(size)} of weights do not fit here and are not fetched")
            wanted = [file for file in wanted if file.endswith(_SMALL)]
        else:
            progress(f"{id}  fetching {told(sum(files[file] for file in wanted))}, unless they are in the hub's cache")
        patterns = [glob.escape(file) for file in wanted]
        directory = Path(hub.snapshot_download(id, revision=revision, allow_patterns=patterns))
        return Fetched(directory=directory, weights=size <= room, size=size)
    except Exception as error:
        refused = _refused(id, revision, error)
        if refused is not None:
            raise refused from None
        if not _unreachable(error):
            raise
        return _cached(hub, id, revision, error)


def _names(error: Exception) -> set[str]:
    """By its name, because the classes have moved, and so has the transport below them."""
    return {kind.__name__ for kind in type(error).__mro__}


def _refused(id: str, revision: str | None, error: Exception) -> InputError | None:
    """What the hub says of an id, in words; None where it says nothing."""
    kinds = _names(error)
    if "GatedRepoError" in kinds:
        return InputError(f"{id}: its conditions must be accepted on the hub first", hint=_PRIVATE)
    if "RepositoryNotFoundError" in kinds:
        return InputError(f"{id}: there is no such directory here, and no such model on the hub", hint=_PRIVATE)
    if "RevisionNotFoundError" in kinds:
        return InputError(f"{id}: the hub has no revision {revision!r} of it", hint="see its page on the hub")
    if "HFValidationError" in kinds:
        return InputError(f"{id}: {one_line(str(error))}", hint="name a directory, or an id such as owner/name")
    return None


def _unreachable(error: Exception) -> bool:
    return bool(_names(error) & {"OSError", "TransportError", "RequestException"})


def _cached(hub: Any, id: str, revision: str | None, error: Exception) -> Fetched:
    """What an earlier call has fetched; raises :class:`InfrastructureError` where there is nothing."""
    config = hub.try_to_load_from_cache(id, "config.json", revision=revision)
    if isinstance(config, str):
        return Fetched(directory=Path(config).parent)
    raise InfrastructureError(
        f"{id}: there is no such directory here, and the hub cannot be reached: {one_line(str(error), 160)}",
        hint="name a directory, or try again where the hub can be reached",
    ) from None


def _wanted(files: Iterable[str], code: bool) -> list[str]:
    """The files at the top that a load may read: small ones, code where it may be run, and one kind of weights."""
    top = [file for file in files if "/" not in file]
    weights = _weights(top)
    return sorted({file for file in top if file.endswith(_SMALL) or (code and file.endswith(".py"))} | set(weights))


def _weights(files: Iterable[str]) -> list[str]:
    names = list(files)
    kinds = ([name for name in names if pattern.fullmatch(name)] for pattern in _WEIGHTS.values())
    return next((found for found in kinds if found), [])


def _size(files: dict[str, int]) -> int:
    return sum(files[file] for file in _weights(files))
