"""What must hold after every fault, whatever it was. Each function gives the problems that it finds, in words."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from pathlib import Path

from compatmatrix.errors import Exit
from compatmatrix.results import CellResult, Outcome, Run
from tests.chaos.trial import Ended, Trial
from tests.chaos.world import CELLS, Said, by_cell, said, stored

#: What the host may start takes so long at most to go after it has been killed (seconds).
GOING = 8.0
_INFRASTRUCTURE = (Outcome.ENV_FAIL.value, Outcome.NOT_RUN.value)
_LINK = re.compile(r'(?:href|src)="(?!https?:|data:|mailto:|#)([^"#?]+)')


def ended_well(trial: Trial, ended: Ended) -> Iterator[str]:
    """A documented exit status and one clear message, unless the process was killed outright."""
    told = ended.out + ended.err
    if ended.status is None:
        yield f"it did not end: {ended}"
        return
    if ended.status == -signal.SIGKILL and ended.sent is signal.SIGKILL:
        return
    if ended.sent and ended.status == -ended.sent and not ended.out:
        return  # Python itself was still starting: there was nobody to tell
    if "Traceback" in told:
        yield f"a traceback: {ended}"
    asked = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    if ended.sent in asked and ended.went_on.count(f"/{CELLS}  ") > 2:
        yield f"it took no notice of {ended.sent.name if ended.sent else ''}: {ended}"
    if ended.status in (trial.world.status, *ended.answers):
        return  # the fault came too late, or did no harm
    if ended.status not in {status.value for status in Exit} - {Exit.DEFECT.value, Exit.OK.value}:
        yield f"an exit status that is not documented: {ended}"
    if ended.unheard and ended.status == Exit.INTERRUPTED:
        return  # nobody can be told
    if (ended.status == Exit.INTERRUPTED) is not (ended.sent in asked):
        yield f"interrupted, and it does not say so, or says so without being it: {ended}"
    messages = [line for line in ended.err.splitlines() if line.startswith("compatmatrix: ")]
    # A column that has no environment says so in its own line, and the report with the next step.
    in_report = ended.status == Exit.INFRASTRUCTURE and ("exit status 5" in ended.out or "env-fail: " in ended.out)
    if not in_report and len(messages) != 1:
        yield f"{len(messages)} messages where there should be one: {ended}"
    if not in_report and "next: " not in ended.err and ended.status != Exit.INTERRUPTED:
        yield f"no next step: {ended}"
    if trial.tells and ended.status != Exit.INTERRUPTED and not any(words in told for words in trial.tells):
        yield f"it does not say what happened ({' / '.join(trial.tells)}): {ended}"


def no_stray_process(trial: Trial) -> Iterator[str]:
    """Everything that a run started is gone soon after it."""
    deadline = time.monotonic() + GOING
    while (left := trial.processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    for process in left:
        with contextlib.suppress(Exception):
            yield f"still running: {' '.join(process.cmdline())[:300]}"


def nothing_wrong_is_stored(trial: Trial) -> Iterator[str]:
    """No row says anything but the truth: a fault of the machine is never a version's."""
    for row in stored(trial.directory).values():
        yield from _untrue(trial, row, "the store")


def nothing_wrong_is_published(trial: Trial) -> Iterator[str]:
    """What is published says the truth, or that it does not know."""
    with contextlib.suppress(OSError):
        run = Run.from_json((trial.reports / "latest.json").read_bytes())
        for row in run.results:
            if row.outcome.value not in _INFRASTRUCTURE:
                yield from _untrue(trial, row, "the report")


def _untrue(trial: Trial, row: CellResult, where: str) -> Iterator[str]:
    true = trial.world.rows.get((row.version, row.cell))
    if true is None:
        told = trial.own_cells(row.version, row.cell) if trial.own_cells else "a cell that nobody planned"
        if told and told != row.outcome.value:
            yield f"{where}: {row.version} {row.cell}: {row.outcome.value}: {row.reason}; it should be {told}"
    elif said(row) != true:
        yield f"{where}: {row.version} {row.cell}: {_differences(said(row), true)}\n{row.log[-800:]}"


def _differences(one: Said, other: Said) -> str:
    return "; ".join(f"{name}: {one[name]!r} where {other[name]!r} is true" for name in one if one[name] != other[name])


def nothing_is_half_published(trial: Trial) -> Iterator[str]:
    """Every file of the report is whole, and the page links to nothing that is not there."""
    page = trial.reports / "index.html"
    with contextlib.suppress(OSError):
        if not page.exists():
            return
        text = page.read_text(encoding="utf-8")
        if not text.rstrip().endswith("</html>"):
            yield "index.html is cut off"
        for target in sorted(set(_LINK.findall(text))):
            if not (trial.reports / target).exists():
                yield f"index.html links to {target}, which is not there"
        for path in sorted(trial.reports.rglob("*")):
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(trial.reports).parts):
                yield from _half(path)


def _half(path: Path) -> Iterator[str]:
    try:
        if path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix in (".xml", ".svg"):
            ET.parse(path)
        elif path.suffix == ".html" and not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
            yield f"{path.name} is cut off"
    except (ValueError, ET.ParseError) as error:
        yield f"{path.name}: {error}"


def repeated_well(trial: Trial, ended: Ended, before: dict[str, CellResult]) -> Iterator[str]:
    """The plain command, run again, gives what an undisturbed run gives: nothing lost, nothing twice, nothing wrong."""
    if ended.status != trial.world.status:
        yield f"the next run does not end as an undisturbed one: {ended}"
    if "Traceback" in ended.out + ended.err:
        yield f"the next run shows a traceback: {ended}"
    try:
        found = by_cell(_results(trial))
    except (OSError, ValueError, AssertionError) as error:
        yield f"the next run's results cannot be read: {error}"
        return
    rows = trial.world.rows
    yield from (f"lost: {version} {cell}" for version, cell in sorted(rows.keys() - found.keys()))
    yield from (f"not planned: {version} {cell}" for version, cell in sorted(found.keys() - rows.keys()))
    for name in sorted(rows.keys() & found.keys()):
        if found[name] != rows[name]:
            yield f"the next run: {' '.join(name)}: {_differences(found[name], rows[name])}"
    if not trial.store_lost:
        now = stored(trial.directory)
        again = [row.cell for key, row in before.items() if key in now and now[key].measured_at != row.measured_at]
        yield from (f"measured again although it was known: {cell}" for cell in again)


def _results(trial: Trial) -> Iterable[CellResult]:
    if trial.world.reports:
        return Run.from_json((trial.reports / "latest.json").read_bytes()).results
    # Rows of other content, such as that of a scenario which was edited meanwhile, are nobody's.
    true = {row["key"] for row in trial.world.rows.values()}
    return [row for key, row in stored(trial.directory).items() if key in true]


def nothing_lies_about(trial: Trial) -> Iterator[str]:
    """What faults left half done has been cleared away by the next run."""
    left = [*trial.reports.glob(".*"), *(trial.reports / "runs").glob(".*")]
    left += (trial.state / "environments").glob(".partial-*")
    yield from (f"left lying about: {path.relative_to(trial.directory)}" for path in sorted(left))
