"""A test for each cell: a fresh process imports torch and transformers and runs the scenario's function."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
#: As a cell has it in the matrix: accelerate's choice of a device must not differ from run to run.
ENVIRON = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
ENVIRON.update(PYTHONHASHSEED="0", MALLOC_PERTURB_="128")
#: The shim of virtual cards is compiled once, here as in the matrix: a cell has a home of its own.
CACHES = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
ENVIRON.setdefault("VIRTUALCUDA_CACHE", str(Path(CACHES, "virtualcuda")))
PROJECT = json.loads((HERE / "project.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("cell", PROJECT["cells"], ids=lambda cell: cell["id"])
def test_cell(cell: "dict[str, Any]") -> None:
    """Load it in a process of its own, and look at every check."""
    began, before = time.perf_counter(), spent()
    command = [sys.executable, "-s", str(HERE / "cell.py"), PROJECT["probe"], PROJECT["scenarios"]]
    done = subprocess.run(
        [*command, cell["id"], str(cell["devices"])],
        env=ENVIRON,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    found = done.stdout.find('{\n "schema"')  # after whatever the libraries print
    record = json.loads(done.stdout[found:]) if found >= 0 else None
    result = {"version": os.environ["COLUMN"], "cell": cell["id"], "code": done.returncode, "record": record}
    result.update(wall=time.perf_counter() - began, processor=spent() - before)
    with (HERE / "results.jsonl").open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(result) + "\n")
    assert record and record["status"] == "done", done.stdout[-2000:]
    assert record["checks"] and all(float(each["measured"]) <= float(each["limit"]) for each in record["checks"])


def spent() -> float:
    """Processor seconds of the processes that this one has waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
