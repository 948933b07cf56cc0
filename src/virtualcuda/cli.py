"""The command line: run a program with virtual devices, or build the shim ahead of time."""

import argparse
import runpy
import sys
from pathlib import Path
from typing import List, Optional, Sequence

from virtualcuda.errors import VirtualCudaError
from virtualcuda.runtime import activate
from virtualcuda.sizes import parse_size
from virtualcuda.toolchain import build, cache_directory

_DESCRIPTION = """\
Several CUDA devices on a machine that has none, for a CPU-only build of torch.

Tensors on cuda:0, cuda:1, ... live in host memory, each device within its budget; operators check devices as CUDA does
and run the CPU's kernels. Placement, offload, cross-device errors and out-of-memory are those of real cards; speed,
numerics of CUDA's kernels, streams and NCCL are not."""

_EXAMPLES = """\
examples:
  python -m virtualcuda run -n 2 --memory 24GiB train.py --epochs 1
      two cards of 24 GiB; only memory that is touched costs anything
  python -m virtualcuda run -n 2 --memory 24GiB,8GiB -m pytest tests
      cards of different size, and a module in place of a script
  python -m virtualcuda run --memory 24GiB --free 64MiB script.py
      something else fills the card but for 64 MiB
  python -m virtualcuda build
      compile the shim now (about ten seconds), so that the first run need not

exit status: the program's own; 2 for a wrong command line; 3 without virtual devices (the reason is printed)
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m virtualcuda",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", metavar="{run,build}")
    run = commands.add_parser("run", help="run a script or a module with virtual devices")
    run.add_argument("-n", "--devices", type=int, default=2, metavar="N", help="how many cards (default: 2)")
    run.add_argument(
        "--memory", type=_sizes, default=_sizes("24GiB"), metavar="SIZE[,SIZE...]",
        help="of each card: one size for all, or one for each, such as 64MiB or 24GiB,8GiB (default: 24GiB)",
    )  # fmt: skip
    run.add_argument(
        "--free", type=_sizes, metavar="SIZE[,SIZE...]",
        help="what is left of each card, where something else uses the rest (default: all of it)",
    )  # fmt: skip
    run.add_argument("-m", dest="module", action="store_true", help="PROGRAM is a module's name, as in python -m")
    run.add_argument("program", metavar="PROGRAM", help="the script (or, with -m, the module)")
    run.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="its arguments")
    compile_ = commands.add_parser("build", help="compile the shim for the torch installed here, and print its path")
    compile_.add_argument("--force", action="store_true", help="compile again even if it is in the cache")
    compile_.epilog = f"cache: {cache_directory()} (VIRTUALCUDA_CACHE sets another); compiler: CXX, or g++"
    return parser


def _sizes(text: str) -> List[int]:
    try:
        return [parse_size(part) for part in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _spread(sizes: Optional[List[int]], count: int) -> Optional[List[int]]:
    """One size for all devices is written once."""
    return sizes * count if sizes is not None and len(sizes) == 1 else sizes


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Runs the command line; exits with its status."""
    parser = _parser()
    options = parser.parse_args(argv)
    try:
        if options.command == "build":
            print(build(force=options.force))
        elif options.command == "run":
            memory = _spread(options.memory, options.devices)
            activate(options.devices, memory or [], _spread(options.free, options.devices))
        else:
            parser.print_help()
            sys.exit(2)
    except VirtualCudaError as error:
        print(f"virtualcuda: {error}", file=sys.stderr)
        sys.exit(3)
    except ValueError as error:
        parser.error(str(error))
    if options.command == "run":
        _run(options.program, options.arguments, options.module)


def _run(program: str, arguments: List[str], is_module: bool) -> None:
    """Runs the program as python itself would: ``__main__``, its arguments, its directory first on the path."""
    sys.argv = [program, *arguments]
    if is_module:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(program).resolve().parent)
        runpy.run_path(program, run_name="__main__")
