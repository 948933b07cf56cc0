"""What a very large report costs: rendered here, compared with another, and filtered in headless Chromium.

The runs are synthetic: those of the tests of the report, at a larger size.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.bench import ROOT, tell
from benchmarks.page import goal, seconds, table
from benchmarks.usage import Usage, spend
from compatmatrix.report import context, render
from compatmatrix.results import Run
from tests.report import factory

#: Seconds of the processor in which a report or a comparison of that size should be there, and MB of its first page.
SECONDS, MEGABYTES = 10, 5

CLEAR = "page.put({ q: '', family: '', outcome: '' })"
FILTERS = {
    "an outcome": "document.querySelector('input[name=outcome][value=wrong]').click()",
    "a family": (
        "const one = document.querySelector('select[name=family]');"
        "one.value = 'llama'; one.dispatchEvent(new Event('input', {bubbles: true}))"
    ),
    "a text": (
        "const one = document.querySelector('input[name=q]');"
        "one.value = 'way-12'; one.dispatchEvent(new Event('input', {bubbles: true}))"
    ),
    "all rows again": CLEAR,
}


def processor(work: Callable[[], Any], repeat: int = 2) -> tuple[float, Any]:
    """The least processor seconds of some attempts, and what the work gives."""
    took = []
    for _ in range(repeat):
        began = time.process_time()
        found = work()
        took.append(time.process_time() - began)
    return min(took), found


def browse(address: str) -> list[tuple[str, float]]:
    """Processor milliseconds of the browser's main thread, for script, style and layout: the median of seven."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        return []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1400, "height": 900})
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})

        def spent() -> float:
            metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
            return 1000 * float(sum(metrics[f"{what}Duration"] for what in ("Script", "RecalcStyle", "Layout")))

        page.goto(address)
        found = [("opening the page", spent())]
        for name, action in FILTERS.items():
            times = []
            for _ in range(7):
                page.evaluate(f"() => {{ {CLEAR}; document.body.offsetHeight }}")
                if name == "all rows again":
                    page.evaluate(f"() => {{ {FILTERS['a text']}; document.body.offsetHeight }}")
                before = spent()
                page.evaluate(f"() => {{ {action}; document.body.offsetHeight }}")
                times.append(spent() - before)
            found.append((f"filter: {name}", statistics.median(times)))
        browser.close()
    return found


def section(directory: Path, versions: int = 120, scenarios: int = 400) -> str:
    """The section, as Markdown; the report is written below the directory."""
    tell(f"a report of {versions * scenarios:,} cells")
    run = Run.from_json(factory.big_run(versions, scenarios, 1).to_json())
    built, page = processor(lambda: context.build(run))
    rendered, texts = processor(lambda: render.pages(page))
    again = render.pages(context.build(run))
    for path, text in texts.items():
        (directory / path).parent.mkdir(exist_ok=True, parents=True)
        (directory / path).write_text(text, encoding="utf-8")
    size = len(texts[render.PAGE].encode()) / 1e6
    rows = [
        ["context: counts, ranges, details", seconds(built)],
        ["HTML of the page and of all details", seconds(rendered)],
        ["the page", f"{size:.2f} MB"],
        ["two renders are byte-identical", "yes" if again == texts else "**no**"],
    ]
    tell("the same in a browser")
    browsed = browse((directory / render.PAGE).as_uri())
    rows += [[what, f"{took:.0f} ms"] for what, took in browsed] or [["opening and filtering it", "no Chromium here"]]
    tell(f"differences of {versions * scenarios:,} cells")
    compared = list(differences(directory, run, versions))
    rows += [[what, f"{seconds(used.processor)}, {used.memory / 1e6:.0f} MB of memory"] for what, used in compared]
    slowest = max([built + rendered, *(used.processor for _, used in compared)])
    reached = goal(
        f"a report and a comparison of {versions * scenarios:,} cells in less than {SECONDS} s of the processor each, "
        f"and a first page of less than {MEGABYTES} MB",
        met=slowest < SECONDS and size < MEGABYTES,
        found=f"{seconds(slowest)} at the most, {size:.2f} MB",
        why="Both read, judge and write every cell once; see the rows for what takes longest.",
    )
    return f"""\
Synthetic runs of {versions} versions × {scenarios} scenarios ({versions * scenarios:,} cells). Times are processor
time; in headless Chromium that of the main thread (script, style and layout) until the page is laid out. Opening is
paid once; `all rows again` brings back a table of which a filter had left a few rows. The comparisons are
whole commands: they read the runs from files.

{table(["what", "measured"], rows)}

{reached}"""


def differences(directory: Path, run: Run, versions: int) -> Iterator[tuple[str, Usage]]:
    """Two runs of that size, and two versions of one, compared by the command."""
    other = factory.big_run(versions, len(run.scenarios), 1, seed=8)
    files = [directory / "before.json", directory / "after.json"]
    for file, each in zip(files, (run, other), strict=True):
        file.write_text(each.to_json(), encoding="utf-8")
    ends = run.columns[0].version, run.columns[-1].version
    commands = {
        "`diff` of two runs": [*map(str, files)],
        "`diff --versions`, the oldest and the newest": ["--versions", *ends, "--run", str(files[0])],
    }
    for what, arguments in commands.items():
        command = [sys.executable, "-m", "compatmatrix", "diff", *arguments, "--format", "markdown"]
        yield what, spend(command, cwd=ROOT, log=directory / "log", statuses=(0, 3, 4, 5))
