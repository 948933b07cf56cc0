"""The fixed surroundings of every cell: environment variables and directories.

They are the same for a forked cell and for one in a process of its own, on every machine, so that two
runs of a cell differ only where the libraries do.
"""

import os
import re
import shutil
import stat
from pathlib import Path
from typing import Any, Callable, Dict

#: Must be there before a process starts: Python and the C library read them once.
BEFORE_START = {
    "PYTHONHASHSEED": "0",
    # Fresh memory from malloc is 0x7f7f...: not a number in float16, 3e38 in float32; never a lucky zero.
    "MALLOC_PERTURB_": "128",
}

#: Read by the libraries when they are imported or called.
FOR_LIBRARIES = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",  # asking for a card must not start CUDA: it would not survive the fork
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # deterministic algorithms need it on a real card
}

#: What a cell may see of the environment that it is started from. Anything else could decide an outcome
#: (``USE_TORCH``, ``LD_PRELOAD``, ``TORCH_LOGS``) or be a secret.
_KEPT = re.compile(
    r"PATH|LANG|LANGUAGE|LC_\w+|TZ|TERM|USER|LOGNAME|SHELL|LD_LIBRARY_PATH|SSL_CERT_(FILE|DIR)|CUDA_VISIBLE_DEVICES"
    # Not all of NVIDIA_*: NVIDIA_API_KEY is a secret, NVIDIA_TF32_OVERRIDE steers the arithmetic.
    r"|NVIDIA_(VISIBLE_DEVICES|DRIVER_CAPABILITIES)|SYSTEMROOT|COMSPEC|VIRTUALCUDA_CACHE"
    r"|COMPATPROBE_MARK",  # the host finds by it what a dead zygote left running
    re.I,
)
#: Which proxies there are may be known; a user and a password for them are nobody's business: cells are offline.
_PROXY = re.compile(r"(https?|ftp|all|no)_proxy", re.I)
_USER = re.compile(r"([A-Za-z][\w+.-]*://)?.*@", re.DOTALL)


def clean(environ: Dict[str, str]) -> Dict[str, str]:
    """A process's environment without what could steer Python or the libraries, and without secrets."""
    kept = {name: value for name, value in environ.items() if _KEPT.fullmatch(name)}
    kept.update((name, _USER.sub(r"\1", value, count=1)) for name, value in environ.items() if _PROXY.fullmatch(name))
    kept.update(BEFORE_START)
    # Built shims are kept between runs: HOME will be a directory that is emptied before each cell.
    cache = environ.get("XDG_CACHE_HOME") or os.path.join(environ.get("HOME", os.path.expanduser("~")), ".cache")
    kept.setdefault("VIRTUALCUDA_CACHE", os.path.join(cache, "virtualcuda"))
    return kept


class Slot:
    """The directory that a zygote works in; the paths are fixed, so that messages do not vary by run.

    ``cell``, ``tmp``, ``home`` and ``hf`` are emptied before each cell. ``out`` has the cell's record,
    progress and log, ``ready.json`` the facts of the environment.
    """

    def __init__(self, root: str) -> None:
        self.root = Path(root).resolve()
        self.cell = self.root / "cell"
        self.tmp = self.root / "tmp"
        self.home = self.root / "home"
        self.hf = self.root / "hf"
        self.out = self.root / "out"
        self.record = self.out / "record.json"
        self.progress = self.out / "progress"
        self.log = self.out / "log"
        self.request = self.root / "request.json"
        self.ready = self.root / "ready.json"

    def prepare(self) -> None:
        """Empty what a cell may have written; raises ``OSError`` where something resists."""
        for directory in (self.cell, self.tmp, self.home, self.hf, self.out):
            empty(directory)


def inside(slot: Slot, threads: int) -> Dict[str, str]:
    """The variables that are set inside a process of a slot, before the libraries are imported."""
    return dict(
        FOR_LIBRARIES,
        HOME=str(slot.home),
        HF_HOME=str(slot.hf),
        TMPDIR=str(slot.tmp),
        OMP_NUM_THREADS=str(threads),
        MKL_NUM_THREADS=str(threads),
        OPENBLAS_NUM_THREADS=str(threads),
    )


def empty(directory: Path) -> None:
    """Make an empty directory, whatever stands there: a link, a file, a tree without permissions."""
    try:
        os.rmdir(str(directory))  # nearly always it is there, and has nothing in it
    except OSError:
        if directory.is_symlink() or directory.is_file():
            directory.unlink()
        if directory.exists():
            shutil.rmtree(str(directory), onerror=_force)
    directory.mkdir(parents=True)


def _force(_function: Callable[..., Any], path: str, _: Any) -> None:
    """Give a directory back its permissions and remove it again."""
    for target in (os.path.dirname(path), path):
        if os.path.isdir(target) and not os.path.islink(target):
            os.chmod(target, stat.S_IRWXU)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
