"""Tiny packages of several kinds; a source tree brings its own build backend, so that nothing is fetched."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

from tests.wheels import write_wheel

_BACKEND = """
import pathlib, zipfile

HERE = pathlib.Path(__file__).parent
VERSION = (HERE / "VERSION").read_text().strip()
INFO = f"transformers-{VERSION}.dist-info"
METADATA = f"Metadata-Version: 2.1\\nName: transformers\\nVersion: {VERSION}\\n"


def get_requires_for_build_wheel(config_settings=None):
    return []


def prepare_metadata_for_build_wheel(metadata_directory, config_settings=None):
    folder = pathlib.Path(metadata_directory, INFO)
    folder.mkdir()
    (folder / "METADATA").write_text(METADATA)
    (folder / "WHEEL").write_text("Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    return INFO


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    if (HERE / "BROKEN").exists():
        raise RuntimeError("the compiler is missing")
    name = f"transformers-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as wheel:
        wheel.writestr("transformers/__init__.py", (HERE / "transformers.py").read_text())
        wheel.writestr(f"{INFO}/METADATA", METADATA)
        wheel.writestr(f"{INFO}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        members = ["transformers/__init__.py", f"{INFO}/METADATA", f"{INFO}/WHEEL", f"{INFO}/RECORD"]
        wheel.writestr(members[-1], "".join(f"{member},,\\n" for member in members))
    return name
"""
_PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'


def wheel(folder: Path, name: str, version: str, requires: Sequence[str] = ()) -> Path:
    """A wheel whose only module is ``__version__``."""
    folder.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_")
    files = {f"{module}/__init__.py": f"__version__ = {version!r}\n"}
    return write_wheel(folder, module, version, files, requires=requires)


def source_tree(folder: Path, version: str, *, broken: bool = False) -> Path:
    """A source tree of transformers with a build backend of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(_PYPROJECT)
    (folder / "backend.py").write_text(_BACKEND)
    (folder / "VERSION").write_text(version)
    (folder / "transformers.py").write_text(f"__version__ = {version!r}\n")
    if broken:
        (folder / "BROKEN").touch()
    return folder


def sdist(folder: Path, version: str, tree: Path) -> Path:
    """A source distribution of such a tree."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"transformers-{version}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for file in sorted(tree.iterdir()):
            archive.add(file, f"transformers-{version}/{file.name}")
        info = f"Metadata-Version: 2.1\nName: transformers\nVersion: {version}\n".encode()
        member = tarfile.TarInfo(f"transformers-{version}/PKG-INFO")
        member.size = len(info)
        archive.addfile(member, io.BytesIO(info))
    return path


def git(folder: Path, *arguments: str) -> str:
    """Run git in a repository, apart from the user's configuration."""
    identity = ["-c", "user.name=tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path, version: str) -> str:
    """Commit the tree as that version; the commit."""
    source_tree(folder, version)
    if not (folder / ".git").exists():
        git(folder, "init", "-q", "-b", "main")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", version)
    return git(folder, "rev-parse", "HEAD")
