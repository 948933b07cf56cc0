"""Files to begin with: a project in an empty directory, and a scenario of one's own. Nothing is replaced."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from string import Template

from compatmatrix import roots, schemas
from compatmatrix.errors import InputError, StorageError
from compatmatrix.session import version_ids

_STARTER = Path(__file__).resolve().parent / "starter"
_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")


def project(directory: Path) -> list[Path]:
    """Write ``matrix.yaml``, its schema and ``noxfile.py``, all or none; the paths.

    Raises :class:`InputError` where one of them is there.
    """
    texts = {
        "matrix.yaml": _read("matrix.yaml.in"),
        "matrix.schema.json": schemas.text("matrix"),
        "noxfile.py": _read("noxfile.py.in"),
    }
    return _write({directory / name: text for name, text in texts.items()}, "name another directory")


def scenario(name: str, directory: Path) -> tuple[Path, str]:
    """Write a scenario file; its path, and the command that runs it.

    Raises :class:`InputError` for a name that cannot be a family's, and for a file that is there.
    """
    if not _NAME.fullmatch(name) or name == "common":
        raise InputError(
            f"{name!r} cannot be the name of a scenario file",
            hint="take something like my-model: small letters and digits, with dashes between them",
        )
    stem = name.replace("-", "_")
    # In a directory of families it becomes the first file of a new one.
    file = directory / stem / "load.py" if directory.resolve() == roots.base() else directory / f"{stem}.py"
    family, command = _command(file)
    variable = re.sub(r"\W", "_", family).upper()
    text = Template(_read("scenario.py.in")).substitute(family=family, command=command, variable=variable)
    _write({file: text}, "take another name, or another directory by --dir")
    return file, command


def _command(file: Path) -> tuple[str, str]:
    """The family that a file is in, and the command that runs it: a file within the first root needs no naming."""
    base, place = roots.base(), file.resolve()
    inside = place.is_relative_to(base) and len(place.relative_to(base).parts) > 1
    family = (place.relative_to(base).parts[0] if inside else file.stem).replace("_", "-")
    named = [] if inside else ["--scenarios", file.as_posix()]
    version = next(iter(version_ids()), "4.46.3")
    command = shlex.join(["compatmatrix", "run", "--versions", version, *named, family])
    return family, command if Path("matrix.yaml").exists() else f"compatmatrix init && {command}"


def _read(name: str) -> str:
    return (_STARTER / name).read_text(encoding="utf-8")


def _write(texts: Mapping[Path, str], otherwise: str) -> list[Path]:
    there = [path for path in texts if path.exists() or path.is_symlink()]
    if there:
        raise InputError(f"already there: {', '.join(map(str, there))}; nothing was written", hint=otherwise)
    for path, text in texts.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as stream:
                stream.write(text)
        except OSError as error:
            raise StorageError(f"{path}: {error}", hint=otherwise) from error
    return list(texts)
