"""``nox -s bench -- [SECTION...]``: measure, print the sections, and write them where asked.

A section that is not measured stays on the page as it is. Everything but ``virtual-cuda`` is measured where none is
named.
"""

from __future__ import annotations

import argparse
import datetime
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks import children, design, floor, growth, page, report, rerun
from benchmarks.bench import ROOT, Bench
from compatmatrix.session import version_ids

ALL = ("design", "floor", "rerun", "growth", "report")


def options() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="nox -s bench --", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"any of {', '.join(page.TITLES)}")
    parser.add_argument("--cells", type=int, default=24, help="cells in each column; 1000: all (default: 24)")
    parser.add_argument("--versions", default="", metavar="ID[,ID...]", help="only these columns")
    parser.add_argument("--full", action="store_true", help="measure the whole matrix, which is estimated otherwise")
    parser.add_argument("--write", type=Path, metavar="PAGE", help="write the sections into this page")
    asked = parser.parse_args()
    for name in asked.sections:
        if name not in page.TITLES:
            parser.error(f"there is no section {name!r}; sections: {', '.join(page.TITLES)}")
    return asked


def main() -> None:
    """Measure one section after another; what is known is written after each."""
    asked = options()
    versions = tuple(filter(None, asked.versions.split(","))) or tuple(version_ids())
    parent = ROOT / ".compatmatrix"  # on the disk of the checkout: environments there share their files with uv's cache
    parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as name:
        directory = Path(name)
        bench = Bench(directory, asked.cells, versions, asked.full)
        sections: dict[str, Callable[[], str]] = {
            "design": lambda: design.section(bench),
            "floor": lambda: floor.section(bench),
            "rerun": lambda: rerun.section(bench),
            "growth": lambda: growth.section(directory / "growth"),
            "report": lambda: report.section(directory / "report"),
            "virtual-cuda": lambda: children.section(versions, directory / "children"),
        }
        for section, measure in sections.items():
            if section in (asked.sections or ALL):
                text = page.measured(measure(), datetime.date.today())
                print(f"\n## {page.TITLES[section]}\n\n{text}", flush=True)
                if asked.write:
                    old = asked.write.read_text(encoding="utf-8") if asked.write.exists() else ""
                    asked.write.write_text(page.page(old, {section: text}), encoding="utf-8")


if __name__ == "__main__":
    main()
