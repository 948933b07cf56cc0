"""From a lock to an installed environment, named by what it was built from and reused while that is unchanged.

An environment is built under a temporary name and renamed when it is complete, manifest included: what
has its final name is whole. What an interrupted build leaves is removed by the next one.
"""

from __future__ import annotations

import datetime
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout
from packaging.utils import canonicalize_name, canonicalize_version
from pydantic import ValidationError

from compatmatrix import bytecode
from compatmatrix.indexes import uv_environment
from compatmatrix.resolve import Resolution
from compatmatrix.results import Column, EnvReason
from compatmatrix.sources import PACKAGE
from compatmatrix.tools import Runner, Subprocesses, last_line
from compatmatrix.uvtool import Tools, diagnose, failure
from compatmatrix.wholeness import contents, damaged

MANIFEST = "column.json"
LAYOUT = 1
"""Grows when an environment built from the same lock would come out differently."""

_PARTIAL = ".partial-"
#: Fails in an interpreter that has lost its pyvenv.cfg, and its packages with it.
_OF_ITS_OWN = "import site, sys; site.main(); sys.exit(sys.prefix == sys.base_prefix)"
#: Settings of uv that change what a source distribution is built into.
_BUILD_INPUTS = (
    *("UV_BUILD_CONSTRAINT", "UV_CONFIG_SETTINGS", "UV_NO_BINARY", "UV_NO_BINARY_PACKAGE", "UV_NO_BUILD_ISOLATION"),
    *("CFLAGS", "CXXFLAGS", "LDFLAGS", "CC", "CXX"),
)


@dataclass(frozen=True, kw_only=True)
class Environment:
    """An installed column: its interpreter, and the column with its environment's name."""

    path: Path
    python: Path
    column: Column
    reused: bool


def build(
    resolution: Resolution, root: Path, *, environ: Mapping[str, str], runner: Runner | None = None
) -> Environment:
    """Install a resolution under ``root``, or take the environment that is there already.

    Two processes that want the same environment build it once: the second waits. Raises
    :class:`EnvironmentFailure` (build-failed, install-failed, unreachable, disk-full).
    """
    tools = Tools(runner=runner or Subprocesses(), environ=uv_environment(environ))
    root = root.resolve()
    path = root / name_of(resolution, environ)
    with _disk_errors(root):
        root.mkdir(parents=True, exist_ok=True)
        remove_partial(root)
        with FileLock(_lock_file(root, path.name)):
            found = _found(path, resolution, tools)
            installed = found or _install(path, resolution, tools)
    column = resolution.column.model_copy(update={"environment": path.name, **_versions(resolution, installed)})
    return Environment(path=path, python=_python(path), column=column, reused=found is not None)


def adopt_byte_code(built: Environment) -> None:
    """Give a new environment what others have compiled by now: shortly before it is used."""
    if not built.reused:
        bytecode.adopt(built.path, built.path.parent, MANIFEST)


def name_of(resolution: Resolution, environ: Mapping[str, str]) -> str:
    """The directory's name: what is in it, for people, and a hash of all that it is built from.

    The lock's text begins with the interpreter and its platform, and holds every package's hash.
    """
    inputs = {name: environ[name] for name in _BUILD_INPUTS if environ.get(name)}
    text = json.dumps([LAYOUT, resolution.lock, str(resolution.python), inputs], sort_keys=True)
    return f"{PACKAGE}-{resolution.column.transformers or 'source'}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def remove_partial(root: Path) -> None:
    """Remove what interrupted builds left, except of those that are running now."""
    for left in root.glob(f"{_PARTIAL}*"):
        name = left.name.removeprefix(_PARTIAL).rpartition("-")[0]
        try:
            with FileLock(_lock_file(root, name), timeout=0):
                shutil.rmtree(left, ignore_errors=True)
        except Timeout:
            continue


def _found(path: Path, resolution: Resolution, tools: Tools) -> dict[str, str] | None:
    """What the complete, unchanged environment of that name holds; ``None`` where it must be built."""
    try:
        manifest = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        same = Column.model_validate(manifest["column"]).lock_hash == resolution.column.lock_hash
    except (OSError, ValueError, KeyError, TypeError, ValidationError):
        return None
    if not same or manifest.get("lock") != resolution.lock or not tools.python(_python(path), _OF_ITS_OWN).ok:
        return None
    installed = installed_packages(path)
    return installed if not _differences(resolution, installed) and _whole(path) else None


def _whole(path: Path) -> bool:
    """Whether every file that its packages list is there, in its size."""
    try:
        return not damaged(contents(path))
    except (OSError, ValueError):
        return False


def _install(path: Path, resolution: Resolution, tools: Tools) -> dict[str, str]:
    """Build under a temporary name, write the manifest, rename."""
    partial = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{path.name}-", dir=path.parent))
    partial.chmod(0o755)  # mkdtemp's are for their maker alone; an environment is for everyone who may read
    try:
        # Relocatable, because it is renamed when it is complete.
        _uv(tools, "venv", "--no-project", "--relocatable", "--python", resolution.python.path, partial)
        lock = partial / "requirements.lock"
        lock.write_text(resolution.lock, encoding="utf-8")
        # uv verifies every hash that is there. `--require-hashes` would refuse a git source, which has none:
        # that each other line has one was checked when the lock was made. Bytecode is left to Python, which
        # compiles what a column imports; `--compile-bytecode` compiles all of torch (see docs/architecture.md).
        sync: list[str | Path] = ["pip", "sync", "--python", _python(partial), *resolution.options, lock]
        _uv(tools, *sync)
        if not _whole(partial):  # uv links to the files in its cache: what was damaged there is damaged here
            _uv(tools, *sync, "--no-cache", "--reinstall")
        installed = installed_packages(partial)
        if differences := _differences(resolution, installed):
            raise failure(EnvReason.INSTALL_FAILED, f"what was installed is not what the lock says: {differences}")
        _write_manifest(partial, path.name, resolution, installed)
        if path.exists():
            _discard(path)
        partial.replace(path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return installed


def _write_manifest(partial: Path, name: str, resolution: Resolution, installed: Mapping[str, str]) -> None:
    column = resolution.column.model_copy(update={"environment": name, **_versions(resolution, installed)})
    created = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0).isoformat()
    manifest = {
        "created": created,
        "python": str(resolution.python),
        "lock": resolution.lock,
        "column": column.model_dump(mode="json"),
    }
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _uv(tools: Tools, *arguments: str | Path) -> None:
    done = tools.uv(*arguments)
    if not done.ok:
        reason = diagnose(done, EnvReason.INSTALL_FAILED)
        why = "no end in sight" if done.timed_out else last_line(done.stderr)
        raise failure(reason, f"uv {arguments[0]} {arguments[1]} failed: {why}", log=done.log)


def remove(root: Path, name: str) -> bool:
    """Remove an environment; False where it is not there."""
    path = root.resolve() / name
    if not path.is_dir():
        return False
    with FileLock(_lock_file(path.parent, name)):
        _discard(path)
    return True


def _discard(path: Path) -> None:
    # Renamed first: half a removal must not look like an environment.
    gone = Path(tempfile.mkdtemp(prefix=f"{_PARTIAL}{path.name}-", dir=path.parent))
    path.replace(gone / "old")
    shutil.rmtree(gone, ignore_errors=True)


def installed_packages(path: Path) -> dict[str, str]:
    """Name -> version of the distributions in an environment, from the names of their metadata."""
    found: dict[str, str] = {}
    for site in (*path.glob("lib/python3*/site-packages"), *path.glob("Lib/site-packages")):
        for metadata in site.glob("*.dist-info"):
            name, _, version = metadata.name.removesuffix(".dist-info").partition("-")
            found[canonicalize_name(name)] = version
    return found


def _differences(resolution: Resolution, installed: Mapping[str, str]) -> str:
    """How an environment differs from its lock; empty where it does not."""
    problems = []
    for package in resolution.column.packages:
        there = installed.get(package.name)
        wanted = package.version
        if there is None or (wanted and canonicalize_version(there) != canonicalize_version(wanted)):
            problems.append(f"{package.name} {wanted or '(any)'}: {there or 'missing'}")
    extra = set(installed) - {package.name for package in resolution.column.packages} - {"pip", "setuptools", "wheel"}
    return ", ".join([*problems, *(f"{name}: not in the lock" for name in sorted(extra))][:8])


def _versions(resolution: Resolution, installed: Mapping[str, str]) -> dict[str, object]:
    """What only the installation tells: the version of a source that did not say it before."""
    packages = tuple(
        package.model_copy(update={"version": installed[package.name]}) if not package.version else package
        for package in resolution.column.packages
    )
    return {"packages": packages, "transformers": resolution.column.transformers or installed[PACKAGE]}


def _python(path: Path) -> Path:
    return path / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _lock_file(root: Path, name: str) -> Path:
    return root / f".{name}.lock"


@contextmanager
def _disk_errors(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise failure(EnvReason.DISK_FULL, f"the disk that holds {root.name} is full") from error
