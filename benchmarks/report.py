"""What a very large report costs: rendered here, and filtered in headless Chromium.

The run is synthetic: that of the tests of the report, at a larger size.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from compatmatrix.report import context, render  # noqa: E402
from compatmatrix.results import Run  # noqa: E402
from tests.report import factory  # noqa: E402

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
        raise SystemExit("Chromium is not installed")
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


def table(directory: Path, versions: int = 120, scenarios: int = 400) -> str:
    """The section, as Markdown; the report is written below the directory."""
    run = Run.from_json(factory.big_run(versions, scenarios, 1).to_json())
    built, page = processor(lambda: context.build(run))
    rendered, texts = processor(lambda: render.pages(page))
    again = render.pages(context.build(run))
    for path, text in texts.items():
        (directory / path).parent.mkdir(exist_ok=True, parents=True)
        (directory / path).write_text(text, encoding="utf-8")
    rows = [
        ("context: counts, ranges, details", f"{built:.2f} s"),
        ("HTML of the page and of all details", f"{rendered:.2f} s"),
        ("the page", f"{len(texts[render.PAGE].encode()) / 1e6:.2f} MB"),
        ("two renders are byte-identical", "yes" if again == texts else "**no**"),
        *((what, f"{took:.0f} ms") for what, took in browse((directory / render.PAGE).as_uri())),
    ]
    lines = [
        f"A synthetic run of {versions} versions × {scenarios} scenarios ({versions * scenarios:,} cells). Times are "
        "processor time, so that",
        "other work on the machine counts little; in headless Chromium that of the main thread (script, style and",
        "layout) until the page is laid out. Opening is paid once; `all rows again` brings back a table of which a",
        "filter had left a few rows.",
        "",
        "| what | measured |",
        "|---|---|",
        *(f"| {what} | {value} |" for what, value in rows),
    ]
    return "\n".join(lines)
