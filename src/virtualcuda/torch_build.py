"""Which torch is installed, found out without importing it (the shim must be loaded before torch is)."""

import ast
import importlib.util
import mmap
import re
import sys
from pathlib import Path
from typing import Dict, NamedTuple, Optional

from virtualcuda.errors import UnsuitableTorchError

_CPU_TORCH = "install a CPU-only build: pip install torch --index-url https://download.pytorch.org/whl/cpu"


class TorchBuild(NamedTuple):
    """An installed torch: its directory, its version and the commit it was built from."""

    directory: Path
    version: str
    commit: str

    @property
    def libraries(self) -> Path:
        return self.directory / "lib"

    @property
    def operators(self) -> Path:
        """torch's own list of its operators, with the devices that each has a kernel for."""
        return self.directory.parent / "torchgen" / "packaged" / "ATen" / "native" / "native_functions.yaml"

    def cxx_standard(self) -> str:
        """The C++ standard that this torch builds extensions with."""
        text = (self.directory / "utils" / "cpp_extension.py").read_text(encoding="utf-8")
        found = re.findall(r"-std=(c\+\+\d\d)", text)
        return max(found) if found else "c++17"

    def uses_cxx11_abi(self) -> bool:
        """Whether its C++ strings are the new ones: torch's Linux wheels up to 2.5 used the old."""
        with open(self.libraries / "libc10.so", "rb") as file:
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                # c10::Error(SourceLocation, std::string): its mangled name tells which std::string
                return data.find(b"_ZN3c105ErrorC2ENS_14SourceLocationENSt7__cxx1112basic_string") >= 0


def find_torch(directory: Optional[Path] = None) -> TorchBuild:
    """The CPU-only torch in `directory`, or the one that ``import torch`` would take.

    Raises UnsuitableTorchError, with the reason and the next step, where there is none that can be used.
    """
    if not sys.platform.startswith("linux"):
        raise UnsuitableTorchError(f"virtual CUDA works on Linux only; this is {sys.platform}")
    if directory is None:
        spec = importlib.util.find_spec("torch")
        if spec is None or spec.origin is None:
            raise UnsuitableTorchError(f"torch is not installed in this environment ({sys.prefix}); {_CPU_TORCH}")
        directory = Path(spec.origin).parent
    try:
        values = _assigned(directory / "version.py")
    except OSError as error:
        raise UnsuitableTorchError(f"{directory} is not an installed torch: {error}") from error
    version = values.get("__version__") or "unknown"
    for platform in ("cuda", "hip"):
        if values.get(platform):
            raise UnsuitableTorchError(
                f"torch {version} is a build for {platform.upper()} {values[platform]}, which keeps the devices for "
                f"itself; {_CPU_TORCH}"
            )
    if (directory / "lib" / "libtorch_cuda.so").exists():
        raise UnsuitableTorchError(
            f"torch {version} brings libtorch_cuda.so, which keeps the devices for itself; {_CPU_TORCH}"
        )
    return TorchBuild(directory, version, values.get("git_version") or "unknown")


def _assigned(path: Path) -> Dict[str, Optional[str]]:
    """The plain text constants of a version.py."""
    result: Dict[str, Optional[str]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        match = re.fullmatch(r"(\w+)\s*(?::[^=]*)?=\s*(.+)", line.strip())
        if match:
            try:
                value = ast.literal_eval(match.group(2))
            except (ValueError, SyntaxError):
                continue
            if value is None or isinstance(value, str):
                result[match.group(1)] = value
    return result
