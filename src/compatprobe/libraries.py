"""Imports the libraries under test, once, and says what came of it in ``ready.json``.

A forked cell finds them imported; a cell in a process of its own imports the same modules in the same
order first. So both kinds start from the same state.
"""

import gc
import importlib
import json
import platform
import random
import sys
import time
import traceback
from typing import Any, Callable, Dict, List, Sequence, Tuple

from compatprobe import processes, roots, warm
from compatprobe.record import write
from compatprobe.settings import Slot

LIBRARIES = ("torch", "transformers", "accelerate")


def load(
    threads: int = 1,
    virtual_cuda: int = 0,
    directories: Sequence[str] = (),
    importing: Callable[[str], None] = lambda module: None,
) -> Dict[str, Any]:
    """Import torch, transformers and accelerate; the facts, with ``error`` where one could not be imported.

    ``virtual_cuda`` devices are set up before torch is imported. ``directories`` are the roots of scenarios, which
    may name further modules (:mod:`compatprobe.warm`). ``importing`` is told each module before it is imported: a
    process that dies there is an answer too.
    """
    imports: List[Dict[str, Any]] = []
    facts: Dict[str, Any] = {"schema": 1, "error": None, "imports": imports, "not_warmed": {}}
    gc.disable()  # what is imported stays: looking through it time and again finds nothing
    before = [("virtualcuda", _virtual_cuda(virtual_cuda))] if virtual_cuda else []
    steps = before + [(name, _plainly(name)) for name in LIBRARIES]
    for name, step in steps:
        importing(name)
        start = time.perf_counter()
        try:
            step()
        except BaseException as error:  # a library may call sys.exit() as well
            facts["error"] = {
                "module": name,
                "type": "{}.{}".format(type(error).__module__, type(error).__qualname__),
                "message": str(error),
                "traceback": "".join(traceback.format_exception(type(error), error, error.__traceback__)),
            }
            break
        imports.append({"module": name, "seconds": round(time.perf_counter() - start, 3)})
    else:
        start = time.perf_counter()
        packages = roots.names(directories)
        roots.serve(packages)
        facts["not_warmed"] = warm.imports(packages, importing)
        settle(threads)
        imports.append({"module": "(first use)", "seconds": round(time.perf_counter() - start, 3)})
    facts["versions"] = versions()
    facts["threads"] = processes.threads()
    gc.enable()
    gc.collect()
    return facts


def settle(threads: int) -> None:
    """The same random numbers, one way to compute, and no memory that looks initialised by luck.

    Done once the libraries are imported; a fork inherits it, and :func:`reseed` does the rest. The seeds come last:
    torch imports its compiler when it is told to be deterministic. What a library does not have is left out: it is not
    what is tested.
    """
    torch = sys.modules.get("torch")
    calls: List[Tuple[str, Any, Dict[str, Any]]] = [
        ("set_num_threads", threads, {}),
        ("use_deterministic_algorithms", True, {"warn_only": True}),  # torch.empty() is NaN from here on
        ("manual_seed", 0, {}),
    ]
    for name, value, keywords in calls:
        function = getattr(torch, name, None)
        if function is not None:
            function(value, **keywords)
    reseed()


def reseed() -> None:
    """The same random numbers once more, in each cell, of what a fork may seed from the system.

    Python registers that for its own; anybody may for numpy's. Torch's take long, and a fork leaves them as they are.
    """
    random.seed(0)
    numpy = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed(0)


def _plainly(name: str) -> Callable[[], object]:
    return lambda: importlib.import_module(name)


def _virtual_cuda(devices: int) -> Callable[[], object]:
    def activate() -> None:
        roots.serve({"virtualcuda": roots.PROBE.parent / "virtualcuda"})
        importlib.import_module("virtualcuda").activate(devices=devices)

    return activate


def versions() -> Dict[str, str]:
    """What the imported libraries say of themselves, and Python's version."""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        module = sys.modules.get(name)
        if module is not None:
            found[name] = str(getattr(module, "__version__", "unknown"))
    return found


def write_facts(slot: Slot, facts: Dict[str, Any]) -> None:
    """Write ``ready.json``."""
    write(slot.ready, json.dumps(facts, indent=1, sort_keys=True))
