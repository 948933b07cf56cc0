"""Ask this machine's card, or compare two machines' answers.

python -m tests.virtualcuda.card record FILE [--parts operators,memory] [--processes 8]
python -m tests.virtualcuda.card compare REAL VIRTUAL [--all]
"""

import argparse
from pathlib import Path

from tests.virtualcuda.card import answers, asking, compare


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.virtualcuda.card", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    record = commands.add_parser("record", help="ask, and write the answers to a file (to those that it has)")
    record.add_argument("file", type=Path)
    record.add_argument("--parts", default=",".join(asking.PARTS), help=f"some of {', '.join(asking.PARTS)}")
    record.add_argument("--processes", type=int, default=1, help="how many at a time")
    record.add_argument("--seconds", type=float, default=3000, help="then what is not asked is left out")
    job = commands.add_parser("job", help="ask one share of a part (record starts these)")
    job.add_argument("name")
    job.add_argument("file", type=Path)
    comparison = commands.add_parser("compare", help="list the differences")
    comparison.add_argument("real", type=Path)
    comparison.add_argument("virtual", type=Path)
    comparison.add_argument("--all", action="store_true", help="those that are known, too")
    merged = commands.add_parser("merge", help="put files together")
    merged.add_argument("files", type=Path, nargs="+")
    options = parser.parse_args()
    if options.command == "record":
        asking.record(options.file, options.parts.split(","), options.processes, options.seconds)
    elif options.command == "job":
        asking.job(options.name, options.file)
    elif options.command == "merge":
        answers.merge(options.files[:-1], options.files[-1])
    else:
        compare.show(answers.read(options.real), answers.read(options.virtual), every=options.all)


if __name__ == "__main__":
    main()
