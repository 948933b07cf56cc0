"""One cell in this process, in which everything is in a fixed state: it runs the scenario and writes the record.

Whatever the scenario does, short of ending the process, becomes a record: exceptions, ``sys.exit()`` and
``KeyboardInterrupt`` included. What a scenario measured before it raised is kept.
"""

import faulthandler
import inspect
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Dict, List, NamedTuple

from compatprobe import discover, libraries, processes, record, roots
from compatprobe.api import Cell, Skip, Unsupported
from compatprobe.needs import configure, lacking
from compatprobe.notices import Notices
from compatprobe.settings import Slot, inside

_DEPTH = 1000


class Options(NamedTuple):
    """What all cells of a slot have in common."""

    slot: str
    roots: List[str]
    threads: int
    virtual_cuda: int


class Request(NamedTuple):
    """One cell to run; ``memory`` in bytes, 0 for no limit; ``environ`` are the variables that it asked for."""

    cell: str
    memory: int = 0
    environ: Dict[str, str] = {}


def measure(options: Options, request: Request, slot: Slot) -> Dict[str, Any]:
    """Run a cell and return its record; the libraries are imported and settled already."""
    os.chdir(str(slot.cell))
    libraries.reseed()
    sys.setrecursionlimit(_DEPTH + _depth())  # as deep for a forked cell as for any other
    packages = roots.names(options.roots)
    roots.serve(packages)
    cell = Cell(request.cell, slot.cell, _progress(slot.progress))
    result = record.blank(request.cell)
    start = time.perf_counter()
    with Notices() as notices:
        try:
            _run(cell, options, request, packages)
        except Unsupported as error:
            found = {"name": str(error.name), "evidence": str(error.evidence)}
            result.update(status="unsupported", message=str(error), unsupported=found)
        except Skip as error:
            result.update(status="skipped", message=str(error))
        except BaseException as error:
            processes.lift_memory_limit()
            step = cell.steps[-1][0] if cell.steps else None
            shown = record.exception(error, step)
            result.update(status="raised", message=shown["message"], exception=shown)
        result.update(record.measured(cell, start))
    result.update(warnings=notices.texts, peak_memory=processes.peak_memory(), versions=libraries.versions())
    return result


def _run(cell: Cell, options: Options, request: Request, packages: Dict[str, Path]) -> None:
    found, params = discover.find(packages, request.cell)
    needs = found.scenario.needs(params)
    for name, value in request.environ.items():
        os.environ.setdefault(name, value)  # what is fixed for all cells stays
    missing = lacking(needs, options.virtual_cuda)
    if missing:
        raise Skip(missing)
    if not any(need.partition(":")[0] == "cuda" for need in needs):  # a real card reserves far more than it uses
        processes.limit_memory(request.memory)
    cards = configure(needs) if options.virtual_cuda else 0
    if cards:
        cell.fact("cards", "virtual ({})".format(cards))  # before anything can raise: no result may pass for a real one
    found.scenario.function(cell, **params)


def _depth() -> int:
    """How many calls deep this one is. (``inspect.stack`` looks up the file of every module: 20 ms.)"""
    frame, depth = inspect.currentframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    return depth - 1


def _progress(path: Path) -> Any:
    def step(name: str) -> None:
        with open(str(path), "a", encoding="utf-8", errors="backslashreplace") as stream:
            stream.write("{}\n".format(name))

    return step


def main(options: Options, request: Request, slot: Slot) -> None:
    """Run the cell, write its record and end the process; never returns.

    ``os._exit`` ends it at once: no thread, ``atexit`` function or destructor of a library can hang, crash or
    print after the record is there.
    """
    code = 70
    try:
        processes.no_core_dumps()
        faulthandler.enable(all_threads=True)
        record.write(slot.record, json.dumps(measure(options, request, slot), allow_nan=False))
        code = 0
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        _flush()
        os._exit(code)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: PERF203
            pass  # closed by the scenario, or nobody reads it
    processes.flush_c()


def main_from_file(path: str) -> None:
    """The command ``cell``: a fresh process that imports the libraries and runs one cell.

    The variables that the cell asked for come on stdin where the file says so: what may be a secret is in no file.
    """
    with open(path, encoding="utf-8") as stream:
        asked = json.load(stream)
    environ = _variables() if asked["environ"] else {}
    if asked.get("parent"):
        processes.die_with(asked["parent"])
    options = Options(asked["slot"], asked["roots"], asked["threads"], asked["virtual_cuda"])
    slot = Slot(options.slot)
    os.environ.update(inside(slot, options.threads))
    facts = libraries.load(options.threads, options.virtual_cuda, options.roots)
    if facts["error"]:
        sys.stderr.write(facts["error"]["traceback"])
        os._exit(72)
    main(options, Request(asked["cell"], asked["memory"], environ), slot)


def _variables() -> Dict[str, str]:
    """What stands on stdin, which is empty from then on."""
    with open(0, "rb", closefd=False) as stream:
        found: Dict[str, str] = json.loads(stream.read().decode("ascii"))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    return found
