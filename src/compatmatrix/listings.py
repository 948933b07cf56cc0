"""What the probe says of scenario files: it imports them, in a process of its own, once for all processes of a run."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

from compatmatrix.errors import ScenarioError
from compatmatrix.stamps import files

PROBE = Path(__file__).resolve().parent.parent / "compatprobe"
RUN = "COMPATMATRIX_RUN"
"""Variable that names a run: set by the first process of it, and inherited by the others."""
_SECONDS = 60


def name_run(environ: MutableMapping[str, str] = os.environ) -> None:
    """Name the run that this process begins, unless it is a part of one."""
    environ.setdefault(RUN, uuid.uuid4().hex)


def listing(where: Sequence[Path]) -> dict[str, Any]:
    """What the probe says of the scenario files under the roots, see ``compatprobe.discover``.

    Raises :class:`ScenarioError` where there can be no listing.
    """
    with tempfile.TemporaryDirectory(prefix="compatmatrix-") as directory:
        out = Path(directory) / "scenarios.json"
        command = [sys.executable, "-I", str(PROBE), "list", *map(str, where), "--out", str(out)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS, check=False)
        except subprocess.TimeoutExpired:
            raise ScenarioError(
                f"importing the scenario files took more than {_SECONDS} s",
                hint="scenario files must import torch and transformers inside their functions only",
            ) from None
        if done.returncode or not out.exists():
            told = (done.stderr or done.stdout).strip()[-2000:]
            raise ScenarioError(
                f"the process that imports the scenario files ended with status {done.returncode}:\n{told}",
                hint="what @scenario is given must be strings and numbers, and no file may end the process",
            )
        found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
        return found


def key(where: Sequence[Path]) -> str:
    """The run, and all files that scenarios are made of or may read, as they are now; empty where there is no run.

    The time of the inode's last change is nothing that a file can be given: it tells of every edit.
    """
    if not os.environ.get(RUN):
        return ""
    told = [os.environ[RUN], sys.executable, *map(str, where), *_stamps([*where, PROBE])]
    return hashlib.sha256("\n".join(told).encode("utf-8", "surrogateescape")).hexdigest()


def recall(shared: Path, key: str) -> Any:
    """What another process of the same run kept of the same files; None where there is nothing."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        told = json.loads(shared.read_bytes())
        return told["found"] if key and told["key"] == key else None
    return None


def keep(shared: Path, key: str, found: Any) -> None:
    """Keep what was found for other processes of this run: it is written to the disk, so it must be clean."""
    with contextlib.suppress(OSError):  # it saves time, and nothing else
        shared.parent.mkdir(parents=True, exist_ok=True)
        part = shared.with_name(f"{shared.name}.{os.getpid()}")
        part.write_text(json.dumps({"key": key, "found": found}), encoding="utf-8")
        part.replace(shared)


def _stamps(roots: Iterable[Path]) -> Iterator[str]:
    for path in (path for root in roots for path in files(root)):
        with contextlib.suppress(OSError):  # it has just gone, or it is not ours to see
            facts = path.stat()
            yield f"{path} {facts.st_size} {facts.st_mtime_ns} {facts.st_ctime_ns} {facts.st_ino}"
