"""One cell by hand: ``ENVPYTHON -I src/compatprobe run scenarios 'llama/plain[tied]'``."""

import argparse
import json
import os
import shutil
import sys
import tempfile
from typing import Any, Dict

from compatprobe import child, libraries
from compatprobe.settings import Slot, inside


def run(arguments: argparse.Namespace) -> int:
    """Run the cell in this process and print what it recorded; 1 where the libraries cannot be imported."""
    directory = tempfile.mkdtemp(prefix="compatprobe-")
    try:
        slot = Slot(directory)
        slot.prepare()
        roots = [os.path.abspath(root) for root in arguments.roots]
        os.environ.update(inside(slot, arguments.threads))
        facts = libraries.load(arguments.threads, arguments.virtual_cuda, roots)
        if facts["error"]:
            sys.stdout.write(facts["error"]["traceback"])
            return 1
        options = child.Options(directory, roots, arguments.threads, arguments.virtual_cuda)
        record = child.measure(options, child.Request(arguments.cell), slot)
        sys.stdout.write(json.dumps(record, indent=1) + "\n" if arguments.json else text(record))
        return 0
    finally:
        os.chdir("/")
        shutil.rmtree(directory, ignore_errors=True)


def text(record: Dict[str, Any]) -> str:
    """A record for a reader at a terminal."""
    lines = ["{}: {}".format(record["cell"], record["status"])]
    lines += ["  {} {}".format(name, version) for name, version in sorted(record["versions"].items())]
    if record["exception"]:
        lines += ["", record["exception"]["traceback"].rstrip(), "  in step: {}".format(record["exception"]["step"])]
    elif record["message"]:
        lines.append("  {}".format(record["message"]))
    lines += ["", "checks (measured <= limit):"]
    for check in record["checks"]:
        holds = "holds  " if float(check["measured"]) <= float(check["limit"]) else "DIFFERS"
        detail = "  {}".format(check["detail"]) if check["detail"] else ""
        lines.append("  {} {}: {} <= {}{}".format(holds, check["name"], check["measured"], check["limit"], detail))
    lines += ["  (none)"] if not record["checks"] else []
    lines += ["", "fingerprint:", json.dumps(record["fingerprint"], indent=1)]
    lines += ["", "warnings:"] + ["  {}".format(warning) for warning in record["warnings"]]
    lines += ["", "{:.2f} s, {:.0f} MiB at most".format(record["seconds"], record["peak_memory"] / 2**20)]
    return "\n".join(lines) + "\n"
