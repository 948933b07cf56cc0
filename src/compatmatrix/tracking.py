"""The one tracking issue: opened, updated and closed by news, not by red. Pure.

A run's news go in, with the issue that is open now; what is to be done with the issue comes out, as text to be handed
over in files. A comment is written only where what is told has changed: readers are called when there is something to
read. An issue is closed when a complete run has no news; where cells were not measured, having no news proves nothing.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from compatmatrix.errors import InputError
from compatmatrix.ledger import Issue as KnownIssue
from compatmatrix.report.display import plural
from compatmatrix.report.markdown import code
from compatmatrix.results import News, Outcome, Run
from compatmatrix.text import one_line

LIMIT = 65_000
"""GitHub takes 65,536 characters in an issue."""
TITLE = 250
"""GitHub takes 256 characters in a title."""
_NAMED = 5
"""Columns that are named; of the others only the number is told."""
_MARK = re.compile(r"<!-- compatmatrix-tracking told=([0-9a-f]{16}) run=([0-9A-Za-z-]{1,40}) -->")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9][A-Za-z0-9._/:%~-]*")
_WORDS = {
    News.REGRESSED: "regressed",
    News.NEW: "red and unexplained",
    News.CHANGED: "with another behaviour",
    News.FIXED: "fixed",
}


class Act(str, Enum):
    """What is to be done with the tracking issue."""

    NONE = "none"
    OPEN = "open"
    UPDATE = "update"
    CLOSE = "close"


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What is to be done, with the texts for it; an empty comment is not to be written."""

    act: Act
    number: int | None = None
    title: str = ""
    body: str = ""
    comment: str = ""

    def to_json(self) -> str:
        """For a shell: the texts that can be long are files of their own."""
        told = {"schema": 1, "action": self.act.value, "number": self.number, "title": self.title}
        return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True, kw_only=True)
class Open:
    """The tracking issue that is open now, and what it told: a digest, and the run."""

    number: int
    told: str
    run: str


@dataclass(frozen=True, kw_only=True)
class Links:
    """Addresses of the published page and of the job that made the run; empty where there is none."""

    page: str = ""
    job: str = ""

    def __post_init__(self) -> None:
        for address in filter(None, (self.page, self.job)):
            if not _ADDRESS.fullmatch(address):
                raise InputError(f"{address!r} is not an address such as https://example.org/report/")


def find(listing: str) -> Open | None:
    """The tracking issue in what ``gh issue list --json number,body,author`` says: written by a program, with our mark.

    Anyone may copy the mark into an issue, but not write it in a program's name. Where there are several, the oldest.
    Raises :class:`InputError` for a listing of another shape.
    """
    found = []
    try:
        issues = json.loads(listing)
        if not isinstance(issues, list):
            raise TypeError("it is no list")
        for issue in issues:
            mark = _MARK.search(issue["body"] or "")
            if mark and issue["author"]["is_bot"]:
                found.append(Open(number=int(issue["number"]), told=mark[1], run=mark[2]))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"the list of issues cannot be read: {one_line(repr(error))}",
            hint="it is what `gh issue list --json number,body,author` prints",
        ) from error
    return min(found, key=lambda issue: issue.number, default=None)


def decide(
    run: Run, *, unmatched: Sequence[KnownIssue], summary: str, issue: Open | None, links: Links | None = None
) -> Decision:
    """What a run means for the issue. ``unmatched`` are known issues that nothing matches any more."""
    kinds = Counter(kind for cells in run.news.values() for kind in cells.values() if kind.worth_telling)
    parts = [f"{plural(kinds[kind], 'cell')} {word}" for kind, word in _WORDS.items() if kinds[kind]]
    if unmatched:
        parts.append(f"{plural(len(unmatched), 'known issue')} to look at again")
    lacking = _lacking(run)
    if not parts and not lacking:
        return _close(run, issue, links)
    if not parts and issue is None:
        return Decision(act=Act.NONE)
    told = [_news(run), sorted(each.id for each in unmatched), lacking]
    lines = []
    if not parts:
        lines.append(f"The last run has no news, but it is not complete ({lacking}): this issue stays open.")
    elif lacking:
        lines.append(f"The run is not complete: {lacking}.")
    lines += [
        f"Known issue {code(each.id)}: nothing matches it any more; close it if it is gone." for each in unmatched
    ]
    title = "Matrix: " + (", ".join(parts) or f"not complete: {lacking}")
    return _tell(run, issue, links, title=title, lines=lines, summary=summary, told=told)


def overdue(
    run: Run,
    *,
    now: datetime.datetime,
    days: float | None,
    summary: str,
    issue: Open | None,
    links: Links | None = None,
) -> Decision:
    """The heartbeat: says so in the issue where the last published run is older than that many days (None: never)."""
    if days is None or now - run.finished <= datetime.timedelta(days=days):
        return Decision(act=Act.NONE)
    last = f"{run.finished:%Y-%m-%d}"
    lines = [
        f"**No run has been published since {last}**, which is more than {days:g} days ago. What follows is as old.",
        "See whether the scheduled workflow is enabled (GitHub disables it after 60 days without activity in the "
        "repository) and what its last runs say. The next run that has no news closes this issue.",
    ]
    title = f"Matrix: no run since {last}"
    return _tell(run, issue, links, title=title, lines=lines, summary=summary, told=["overdue", last])


def _tell(
    run: Run, issue: Open | None, links: Links | None, *, title: str, lines: Iterable[str], summary: str, told: Any
) -> Decision:
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
    if issue and (issue.told, issue.run) == (digest, run.id):
        return Decision(act=Act.NONE)
    title = one_line(title, TITLE)
    body = _body([*lines, *_links(links)], summary, f"<!-- compatmatrix-tracking told={digest} run={run.id} -->")
    if issue is None:
        return Decision(act=Act.OPEN, title=title, body=body)
    changed = issue.told != digest
    comment = "\n\n".join([f"Run {code(run.id)}: {title.removeprefix('Matrix: ')}.", *lines, *_links(links)]) + "\n"
    return Decision(act=Act.UPDATE, number=issue.number, title=title, body=body, comment=comment if changed else "")


def _close(run: Run, issue: Open | None, links: Links | None) -> Decision:
    if issue is None:
        return Decision(act=Act.NONE)
    told = f"Run {code(run.id)} is complete and has no news: every red cell is a known issue, or there is none."
    return Decision(act=Act.CLOSE, number=issue.number, comment="\n\n".join([told, *_links(links)]) + "\n")


def _body(lines: Sequence[str], summary: str, mark: str) -> str:
    head = "\n\n".join(lines)
    end = f"\n\n{mark}\n"
    room = LIMIT - len(head) - len(end) - 100
    if len(summary) > room:
        # Whole lines, so that no code span is left open.
        summary = summary[: max(room, 0)].rpartition("\n")[0] + "\n\n_The rest is in the report itself._"
    return f"{head}\n\n{summary.strip()}{end}"[:LIMIT]


def _links(links: Links | None) -> list[str]:
    named = [("the page", links.page), ("the job", links.job)] if links else []
    told = " · ".join(f"[{word}]({address})" for word, address in named if address)
    return [told] if told else []


def _news(run: Run) -> list[list[str]]:
    return sorted(
        [version, cell, kind.value, run.result(version, cell).outcome.value]
        for version, cells in run.news.items()
        for cell, kind in cells.items()
        if kind.worth_telling
    )


def _lacking(run: Run) -> str:
    """What was not measured, in words; empty for a complete run."""
    without = [column.version for column in run.columns if not column.ready]
    counts = Counter(row.outcome for row in run.results)
    named = ", ".join(code(version) for version in without[:_NAMED])
    more = f" and {len(without) - _NAMED} more" if len(without) > _NAMED else ""
    parts = [f"no environment for {named}{more}"] if without else []
    if counts[Outcome.NOT_RUN]:
        parts.append(f"{plural(counts[Outcome.NOT_RUN], 'cell')} not run")
    return "; ".join(parts)
