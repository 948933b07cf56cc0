"""What a very large run costs beside measuring: handing over, merging, storing, reading back, the atlas.

    python benchmarks/scaling.py [--columns 200] [--cells 1000] [--releases 1000]

The rows are those of the published run, as often as it takes, each under a key of its own. Times are processor time,
so that other work on the machine counts little; those of the cluster are wall-clock time. It prints the table of
docs/scaling.md. Nothing here is a test: no figure makes anything fail.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import itertools
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from compatmatrix.cluster.order import packed, unpacked  # noqa: E402
from compatmatrix.flips import flips  # noqa: E402
from compatmatrix.matrix import Matrix  # noqa: E402
from compatmatrix.merge import merge  # noqa: E402
from compatmatrix.report import atlas_page  # noqa: E402
from compatmatrix.results import CellResult, Column, Run  # noqa: E402
from compatmatrix.store import STORE, Store  # noqa: E402
from tests.sweep import factory  # noqa: E402

MATRIX = {"python": "3.11", "versions": [{"id": "x", "sources": [{"pypi": "1.0"}]}]}
NOW = datetime.datetime.now(datetime.timezone.utc)


def took(what: Callable[[], Any]) -> tuple[float, Any]:
    """Processor seconds, and what was given back."""
    began = time.process_time()
    found = what()
    return time.process_time() - began, found


def told(what: str, measured: str) -> None:
    """Print a row of the table."""
    print(f"| {what} | {measured} |", flush=True)


def columns(run: Run, number: int, cells: int) -> Iterator[tuple[Column, list[CellResult]]]:
    """Columns as a sweep would have them, one by one."""
    rows = itertools.cycle(run.results)
    for index, column in zip(range(number), itertools.cycle(run.columns), strict=False):
        version = f"v{index}"
        made = [
            row.model_copy(
                update={
                    "version": version,
                    "cell": f"{row.cell}-{cell}",
                    "key": hashlib.sha256(f"{index} {cell}".encode()).hexdigest()[:32],
                }
            )
            for cell, row in zip(range(cells), rows, strict=False)
        ]
        yield column.model_copy(update={"version": version}), made


def handed_over(folder: Path, column: Column, rows: list[CellResult]) -> bytes:
    """What a worker sends back."""
    with Store(folder / STORE) as store, store.transaction():
        store.put_column(column)
        for row in rows:
            store.put(row)
    return packed(folder)


def store(number: int, cells: int) -> None:
    """Columns come back one after the other, and are merged into one store."""
    run = Run.from_json((ROOT / "reports" / "latest.json").read_bytes())
    sizes, packing, merging, keys = [], [], [], []
    with tempfile.TemporaryDirectory(dir=".") as name:
        here = Path(name, "here", STORE)
        for index, (column, rows) in enumerate(columns(run, number, cells)):
            seconds, data = took(partial(handed_over, Path(name, f"w{index}"), column, rows))
            packing.append(seconds)
            sizes.append(len(data))

            def take(data: bytes = data, column: Column = column) -> None:
                path = unpacked(data, Path(name, f"column-{column.version}"))
                with Store(here) as into:
                    merge([path], into, {}, lambda _: None, now=NOW, by_directory=True)
                path.unlink()

            merging.append(took(take)[0])
            keys.append([row.key for row in rows])
            (Path(name, f"w{index}") / STORE).unlink()
        rows_there = number * cells
        told(f"a column of {cells:,} cells as it is sent back, compressed", f"{sum(sizes) / number / 1e6:.2f} MB")
        told("… merged into an empty store", f"{sum(merging[:5]) / 5:.2f} s")
        told(f"… merged into a store of {rows_there:,} rows", f"{sum(merging[-5:]) / 5:.2f} s")
        told(f"the store of {rows_there:,} rows", f"{here.stat().st_size / 1e6:.0f} MB")
        told("… a row", f"{here.stat().st_size / rows_there / 1e3:.2f} kB")
        with Store(here) as there:
            chosen = keys[:: max(1, number // 10)]
            seconds, _ = took(lambda: [there.get(each) for each in chosen])
            told(f"reading a column of {cells:,} rows back", f"{seconds / len(chosen):.2f} s")
            seconds, _ = took(lambda: there.known(itertools.chain(*keys)))
            told(f"which of {rows_there:,} keys are known", f"{seconds:.2f} s")
            seconds, _ = took(there.columns)
            told(f"what {number} versions were resolved to", f"{seconds:.2f} s")


def atlas(releases: int) -> None:
    """The atlas of a synthetic sheet of 1,000 cells in each release."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sheet = factory.big(releases=releases, scenarios=125)
    with tempfile.TemporaryDirectory(dir=".") as name:
        seconds, page = took(lambda: atlas_page.write(sheet, flips(sheet, {}), Path(name), now=NOW))
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        told(f"the atlas of {releases:,} releases × 1,000 cells: ranges, flips, page, JSON and CSV", f"{seconds:.0f} s")
        told("… its page", f"{page.stat().st_size / 1e6:.1f} MB")
        told("… its memory, the sheet included", f"{peak:.0f} MB")


def cluster(tasks: int = 300) -> None:
    """What Dask itself takes: tasks that do nothing but send back as many bytes as a column of 1,000 cells."""
    from distributed import Client, LocalCluster

    from compatmatrix.cluster import content, task

    data = content.pack(Matrix.model_validate(MATRIX), [ROOT / "scenarios"])
    told("matrix and scenarios, as they are sent, compressed", f"{len(data) / 1e6:.2f} MB")
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as there, Client(there) as client:
        client.submit(task.given, data).result()
        began = time.perf_counter()
        futures = [client.submit(os.urandom, 260_000 + number) for number in range(tasks)]
        for future in futures:
            future.result()
        seconds = (time.perf_counter() - began) / tasks
    told("a task through a scheduler on loopback and its answer of 0.26 MB back", f"{1000 * seconds:.0f} ms")


def main() -> None:
    """All of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--columns", type=int, default=200)
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--releases", type=int, default=1000)
    chosen = parser.parse_args()
    print("| what | measured |\n|---|---|")
    atlas(chosen.releases)  # first: its memory is what this process has ever had beside the imports
    store(chosen.columns, chosen.cells)
    cluster()


if __name__ == "__main__":
    main()
