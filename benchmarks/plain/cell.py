"""One cell as it would be run without this project: ``python -s cell.py PROBE SCENARIOS CELL DEVICES``.

It imports torch, transformers and accelerate, calls the scenario's function, and prints the record. What the probe
imports beforehand for all cells of a column is left out: here it would be paid for each cell, and few need all of it.
"""

import importlib
import importlib.util
import json
import os
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Any


def main(probe: str, scenarios: str, cell: str, devices: int) -> None:
    """Run the cell in this process."""
    runpy.run_path(str(Path(probe, "__main__.py")), run_name="probe")["load_package"]()
    from compatprobe import child, libraries
    from compatprobe.settings import Slot, inside

    if importlib.util.find_spec("compatprobe.warm"):
        warm: Any = importlib.import_module("compatprobe.warm")
        warm.imports = lambda *_: {}
    with tempfile.TemporaryDirectory() as directory:
        slot = Slot(directory)
        slot.prepare()
        os.environ.update(inside(slot, 1))
        facts = libraries.load(1, devices)
        if facts["error"]:
            sys.exit(str(facts["error"]["traceback"]))
        record = child.measure(child.Options(directory, [scenarios], 1, devices), child.Request(cell), slot)
        os.chdir("/")
    print(json.dumps(record, indent=1))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
