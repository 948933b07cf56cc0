"""The probe as a program: ``ENVPYTHON -I src/compatprobe COMMAND ...``; standard library, Python 3.8.

============================  ================================================================================
``list ROOT... --out FILE``   describe every scenario file under the roots (no torch needed), see ``discover``
``serve ROOT... --slot DIR``  run cells on request, one process each, see ``zygote``
``cell REQUEST``              run one cell in this process, as ``serve --isolation spawn`` asks for it
``facts ROOT... --slot DIR``  import the libraries once and write ``ready.json``
``run ROOT CELL``             run one cell by hand and print its record: the one-command repro
============================  ================================================================================

The exit status is 0 for everything that was anticipated: an import that fails or a scenario that raises
is a fact in a file, not a status.

Why it starts twice. ``-I`` keeps the user's site directory, ``PYTHONPATH`` and the current directory out,
but it also makes Python ignore ``PYTHONHASHSEED``, and cells need a fixed one: accelerate picks a main
device from a *set* of strings. So, once, the program cleans its environment (no ``PYTHON*``, nothing that
looks like a secret, nothing that steers the libraries), adds what must be there before a process starts
(``PYTHONHASHSEED``, ``MALLOC_PERTURB_``), and replaces itself by ``python -s``. That is as isolated as
``-I``: ``PYTHON*`` is gone, ``-s`` drops the user's site directory, and ``sys.path[0]``, which is this
directory because Python was given it by path, is removed below. (``-P`` would do that, from 3.11 on.)

The package itself is then loaded from its directory under its own name, and scenarios by a finder that
serves one name for each root (``roots``): nothing else of a checkout can be imported by accident.
"""

import argparse
import importlib.util
import os
import sys
from pathlib import Path
from typing import List, Optional

HERE = Path(__file__).resolve().parent


def load_package() -> None:
    """Make ``compatprobe`` importable from this directory, and nothing else from it or its neighbours."""
    sys.path[:] = [entry for entry in sys.path if entry and Path(entry).resolve() != HERE]
    spec = importlib.util.spec_from_file_location(
        "compatprobe", str(HERE / "__init__.py"), submodule_search_locations=[str(HERE)]
    )
    assert spec is not None and spec.loader is not None  # noqa: S101 - it is this file's own neighbour
    package = importlib.util.module_from_spec(spec)
    sys.modules["compatprobe"] = package
    spec.loader.exec_module(package)


def start_again_clean() -> None:
    """Replace this process by one with a clean environment; returns where it is one already."""
    from compatprobe import settings

    clean = sys.flags.no_user_site and not sys.flags.isolated
    if clean and os.environ.get("PYTHONHASHSEED") == settings.BEFORE_START["PYTHONHASHSEED"]:
        return
    arguments = [sys.executable, "-s", "-X", "utf8", str(HERE), *sys.argv[1:]]
    os.execve(sys.executable, arguments, settings.clean(dict(os.environ)))  # noqa: S606 - no shell is meant


def parser() -> argparse.ArgumentParser:
    """The commands; the module's table says what each does."""
    top = argparse.ArgumentParser(prog="compatprobe", description="Runs inside a column's environment.")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    commands.required = True
    listing = commands.add_parser("list", help="describe the scenarios")
    listing.add_argument("roots", nargs="+", metavar="ROOT")
    listing.add_argument("--out", required=True, metavar="FILE")
    for name in ("serve", "facts", "run"):
        command = commands.add_parser(name)
        command.add_argument("--threads", type=int, default=1)
        command.add_argument("--virtual-cuda", type=int, default=0, metavar="DEVICES")
        if name != "run":
            command.add_argument("--slot", required=True, metavar="DIR")
        if name == "serve":
            command.add_argument("--isolation", choices=("fork", "spawn"), default="fork")
        command.add_argument("roots", nargs="+", metavar="ROOT")
    commands.choices["run"].add_argument("cell", metavar="CELL")
    commands.choices["run"].add_argument("--json", action="store_true", help="print the record itself")
    one = commands.add_parser("cell", help="run the cell of a request file")
    one.add_argument("request", metavar="REQUEST")
    return top


def main(argv: Optional[List[str]] = None) -> int:
    """Run one command."""
    arguments = parser().parse_args(argv)
    if arguments.command == "list":
        from compatprobe import discover

        discover.write_listing(arguments.roots, arguments.out)
    elif arguments.command == "serve":
        from compatprobe import zygote

        zygote.serve(arguments)
    elif arguments.command == "facts":
        from compatprobe import libraries, processes, settings

        processes.die_with(os.getppid())
        slot = settings.Slot(arguments.slot)
        os.environ.update(settings.inside(slot, arguments.threads))
        facts = libraries.load(arguments.threads, arguments.virtual_cuda, arguments.roots)
        libraries.write_facts(slot, facts)
    elif arguments.command == "cell":
        from compatprobe import child

        child.main_from_file(arguments.request)
    else:
        from compatprobe import byhand

        return byhand.run(arguments)
    return 0


if __name__ == "__main__":
    load_package()
    start_again_clean()
    sys.exit(main())
