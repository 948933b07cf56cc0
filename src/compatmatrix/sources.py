"""From one source of a version to one requirement that names it exactly. Nothing here falls back on anything."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import InvalidWheelFilename, parse_wheel_filename

from compatmatrix.matrix import GitSource, PathSource, PypiSource, Source
from compatmatrix.matrix_texts import NEWEST
from compatmatrix.redaction import redact
from compatmatrix.results import EnvReason
from compatmatrix.tools import last_line
from compatmatrix.uvtool import Interpreter, Tools, diagnose, failure

PACKAGE = "transformers"

#: Left behind by builds and tools: no part of what a source tree is.
_NOT_SOURCE = shutil.ignore_patterns(
    ".git", "__pycache__", "*.egg-info", "build", "dist", ".venv", ".nox", ".tox", ".*_cache", "*.pyc"
)
_LISTED_VERSION = re.compile(r'^version = "([^"]+)"$', re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Located:
    """A source that was reached: what to require, and what is known of it before it is installed."""

    requirement: str
    shown: str
    transformers: str | None = None
    commit: str | None = None
    yanked: bool = False
    notes: tuple[str, ...] = ()


def locate(source: Source, python: Interpreter, tools: Tools, *, root: Path, wheels: Path) -> Located:
    """Reach a source. ``root`` is what local paths are relative to; ``wheels`` keeps what is built from them.

    Raises :class:`EnvironmentFailure`: ``unreachable`` where another source may be tried, any other
    reason where this one answered and is no good.
    """
    if isinstance(source, PypiSource):
        return _pypi(source, python, tools)
    if isinstance(source, GitSource):
        return _git(source, python, tools)
    return _path(source, python, tools, root=root, wheels=wheels)


def _pypi(source: PypiSource, python: Interpreter, tools: Tools) -> Located:
    if source.pypi != NEWEST:
        exact = f"{PACKAGE}=={source.pypi}"
        return Located(requirement=exact, shown=exact, transformers=source.pypi, yanked=source.yanked)
    # An open requirement never takes a yanked release, nor a pre-release while there are others.
    release = _reported(PACKAGE, python, tools)
    if release is None:
        raise failure(EnvReason.NO_SUCH_RELEASE, f"the index has no release of {PACKAGE}")
    return Located(requirement=f"{PACKAGE}=={release}", shown=f"{PACKAGE}=={release} (newest)", transformers=release)


def _git(source: GitSource, python: Interpreter, tools: Tools) -> Located:
    url = redact(source.git)
    commit = source.commit or _tip(source, tools)
    if source.commit:
        _ls_remote(source, "HEAD", tools)
    requirement = f"{PACKAGE} @ git+{source.git}@{commit}"
    reported = _reported(requirement, python, tools)
    if source.reports and reported and source.reports != reported:
        raise failure(
            EnvReason.NO_SUCH_RELEASE,
            f"commit {commit[:12]} of {url} reports version {reported}, where matrix.yaml says {source.reports}",
        )
    where = f"branch {source.branch}, commit {commit}" if source.branch else f"commit {commit}"
    tag = f" (tag {source.tag})" if source.tag else ""
    return Located(
        requirement=requirement, shown=f"{url} {where}{tag}", transformers=reported or source.reports, commit=commit
    )


def _tip(source: GitSource, tools: Tools) -> str:
    reference = f"refs/heads/{source.branch}"
    for line in _ls_remote(source, reference, tools).splitlines():
        commit, _, name = line.partition("\t")
        if name == reference:
            return commit
    raise failure(EnvReason.NO_SUCH_RELEASE, f"{redact(source.git)} has no branch {source.branch}")


def _ls_remote(source: GitSource, reference: str, tools: Tools) -> str:
    done = tools.git("ls-remote", source.git, reference)
    if not done.ok:
        why = "no answer in time" if done.timed_out else last_line(done.stderr)
        raise failure(EnvReason.UNREACHABLE, f"{redact(source.git)} cannot be reached: {why}", log=done.log)
    return done.stdout


def _reported(requirement: str, python: Interpreter, tools: Tools) -> str | None:
    """The version that the package itself reports: of a git source only its metadata knows."""
    with tempfile.TemporaryDirectory(prefix="compatmatrix-") as folder:
        wanted = Path(folder, "requirements.in")
        wanted.write_text(requirement + "\n", encoding="utf-8")
        done = tools.uv(
            "pip", "compile", "--no-deps", "--no-header", "--format", "pylock.toml", "--python", python.path, wanted
        )
    if not done.ok:
        reason = diagnose(done, EnvReason.BUILD_FAILED)
        raise failure(reason, f"{redact(requirement)}: {last_line(done.stderr)}", log=done.log)
    match = _LISTED_VERSION.search(done.stdout)
    return match[1] if match else None


def _path(source: PathSource, python: Interpreter, tools: Tools, *, root: Path, wheels: Path) -> Located:
    path = (root / source.path).resolve()
    if not path.exists():
        raise failure(EnvReason.UNREACHABLE, f"{source.path} cannot be reached: it is not on this machine")
    note: tuple[str, ...] = ()
    wheel = path
    if path.suffix != ".whl":
        digest = tree_hash(path)
        note = (f"built from {path.name}, sha256 of its content {digest}",)
        wheel = _built(path, wheels.resolve() / digest[:16], source, python, tools)
    try:
        name, version, _, _ = parse_wheel_filename(wheel.name)
    except InvalidWheelFilename as error:
        raise failure(EnvReason.BUILD_FAILED, f"{source.path}: {error}") from error
    if name != PACKAGE:
        raise failure(
            EnvReason.NO_SUCH_RELEASE, f"{source.path} is {name}, not {PACKAGE}", hint="correct the path in matrix.yaml"
        )
    return Located(
        requirement=f"{PACKAGE} @ {wheel.as_uri()}", shown=source.path, transformers=str(version), notes=note
    )


def _built(path: Path, folder: Path, source: PathSource, python: Interpreter, tools: Tools) -> Path:
    """The wheel of a source tree or archive, built once for its content and from a copy of it.

    From a copy because setuptools leaves ``build/`` in the tree, and would pack what lies there from
    an earlier state of it.
    """
    for wheel in folder.glob("*.whl"):
        return wheel
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=folder.parent) as temporary:
        copy, out = Path(temporary, path.name), Path(temporary, "wheel")
        if path.is_dir():
            shutil.copytree(path, copy, symlinks=True, ignore=_NOT_SOURCE)
        else:
            shutil.copy2(path, copy)
        done = tools.uv(
            *("build", "--wheel", "--no-create-gitignore", "--python", python.path, "--out-dir", out, copy),
            extra={"SOURCE_DATE_EPOCH": "1577836800"},
        )
        if not done.ok:
            reason = diagnose(done, EnvReason.BUILD_FAILED)
            raise failure(reason, f"{source.path} does not build: {last_line(done.stderr)}", log=done.log)
        if not folder.exists():
            out.replace(folder)
    return next(folder.glob("*.whl"))


def tree_hash(path: Path) -> str:
    """SHA-256 of a file, or of a tree's relative names and contents without what builds leave in it."""
    digest = hashlib.sha256()
    if path.is_file():
        digest.update(path.read_bytes())
        return digest.hexdigest()
    for folder, names, files in os.walk(path):
        ignored = _NOT_SOURCE(folder, [*names, *files])
        names[:] = sorted(set(names) - ignored)
        for name in sorted(set(files) - ignored):
            file = Path(folder, name)
            content = file.read_bytes() if file.is_file() else b""
            digest.update(f"{file.relative_to(path).as_posix()}\0{len(content)}\0".encode())
            digest.update(content)
    return digest.hexdigest()
