"""Compiles the shim for the torch at hand, once: the result is kept in a cache directory.

The file's name tells what it was made of: torch's version, a hash of torch's commit, the flags and the sources, and one
of the compiler. One build serves every environment that has the same torch.
"""

import fcntl
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator, List, Optional

from virtualcuda import operator_table
from virtualcuda.errors import BuildError, NoCompilerError, UnsuitableTorchError
from virtualcuda.torch_build import TorchBuild, find_torch

_SOURCES = Path(__file__).parent / "csrc"
_COMPILERS = ("g++", "c++", "clang++")
_INSTALL = "install one (Debian: apt-get install g++; Fedora: dnf install gcc-c++; conda: conda install gxx_linux-64)"


def cache_directory() -> Path:
    """Where built shims are kept: VIRTUALCUDA_CACHE, else ``virtualcuda`` in the user's cache directory."""
    chosen = os.environ.get("VIRTUALCUDA_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "virtualcuda"


def find_compiler() -> str:
    """The C++ compiler: CXX, else g++, c++ or clang++ on PATH. Raises NoCompilerError."""
    chosen = os.environ.get("CXX")
    for name in (chosen,) if chosen else _COMPILERS:
        path = shutil.which(name)
        if path:
            return path
    tried = f"CXX={chosen}" if chosen else ", ".join(_COMPILERS)
    raise NoCompilerError(
        f"virtual CUDA needs a C++ compiler to build its shim once, and none was found (tried {tried}); {_INSTALL}"
    )


def build(torch: Optional[TorchBuild] = None, *, force: bool = False) -> Path:
    """The path of the shim for `torch` (default: the one installed here), compiled now if it is not in the cache.

    Without a compiler, one that another compiler built from the same sources will do. Raises NoCompilerError,
    UnsuitableTorchError or BuildError.
    """
    torch = torch or find_torch()
    table = _operator_table(torch)
    flags = _flags(torch)
    stem = f"virtualcuda-torch{torch.version}-{_digest(torch, flags, table)}"
    try:
        compiler = find_compiler()
    except NoCompilerError:
        ready = sorted(cache_directory().glob(f"{stem}-*.so"))
        if ready and not force:
            return ready[-1]
        raise
    library = cache_directory() / f"{stem}-{_compiler_digest(compiler)}.so"
    if library.exists() and not force:
        return library
    library.parent.mkdir(parents=True, exist_ok=True)
    with _locked(library.with_suffix(".lock")):
        if force or not library.exists():  # another process may have built it meanwhile
            _compile(torch, compiler, flags, table, library)
    return library


def _operator_table(torch: TorchBuild) -> str:
    try:
        return operator_table.render(torch.operators)
    except (OSError, ValueError) as error:
        raise UnsuitableTorchError(f"torch {torch.version} does not bring its list of operators: {error}") from error


def _flags(torch: TorchBuild) -> List[str]:
    return [
        f"-std={torch.cxx_standard()}",
        "-O1",
        "-fPIC",
        "-shared",
        "-w",  # the warnings are those of torch's headers
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.uses_cxx11_abi())}",
    ]


def _digest(torch: TorchBuild, flags: List[str], table: str) -> str:
    digest = hashlib.sha256()
    for part in (torch.commit, platform.machine(), " ".join(flags), table):
        digest.update(part.encode() + b"\0")
    for source in sorted(_SOURCES.iterdir()):
        digest.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def _compiler_digest(compiler: str) -> str:
    described = subprocess.run([compiler, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return hashlib.sha256(described.stdout).hexdigest()[:8]


def _compile(torch: TorchBuild, compiler: str, flags: List[str], table: str, library: Path) -> None:
    with tempfile.TemporaryDirectory(dir=str(library.parent), prefix="build-") as directory:
        made = Path(directory) / library.name
        (Path(directory) / "operators.inc").write_text(table, encoding="utf-8")
        include = torch.directory / "include"
        command = [compiler, *flags, f"-I{include}", f"-I{include / 'torch/csrc/api/include'}", f"-I{directory}"]
        # No rpath: the process has this torch's libraries loaded already, so one build serves every environment.
        command += [str(_SOURCES / "shim.cpp"), "-o", str(made), f"-L{torch.libraries}", "-ltorch_cpu", "-lc10"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode != 0:
            output = done.stdout.decode(errors="replace")
            raise BuildError(
                f"{compiler} could not build the shim for torch {torch.version} (exit {done.returncode}).\n"
                f"{output[-4000:]}\ncommand: {' '.join(command)}"
            )
        os.replace(str(made), str(library))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lets one process build at a time; the others wait and then find the result."""
    with open(str(path), "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
