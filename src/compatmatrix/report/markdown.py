"""The summary as Markdown, for issues and job summaries. Pure.

Text from elsewhere goes into code spans only: there nothing is markup, no ``@name`` calls a person
and no ``#12`` points to an issue.
"""

from __future__ import annotations

import re

from compatmatrix.report.display import Mark, plural
from compatmatrix.report.views import Page
from compatmatrix.text import one_line

ITEMS = 30
CAUSES = 20
LIMIT = 60_000
"""GitHub takes 65,536 characters in an issue; a job summary takes more."""


def code(text: str, limit: int = 160) -> str:
    """Untrusted text as a code span, which also holds inside a table."""
    text = one_line(text, limit).replace("|", "\\|")
    if not text:
        return ""
    fence = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    edge = " " if text[0] == "`" or text[-1] == "`" else ""
    return f"{fence}{edge}{text}{edge}{fence}"


def summary(page: Page) -> str:
    """What the page opens on: headline, families against versions, news, causes."""
    parts = [
        f"## {page.headline}\n\nRun {code(page.run)}, finished {page.finished}, {_plain(page.compared)}. "
        + " · ".join(f"**{figure.number:,}** {figure.label}" for figure in page.figures)
        + "\n",
        *_notices(page),
        families(page),
        *_news(page),
        *_causes(page),
    ]
    kept, room = [], LIMIT
    for part in parts:
        if len(part) > room:
            kept.append("_The rest is in the report itself._\n")
            break
        kept.append(part)
        room -= len(part) + 1
    return "\n".join(kept)


def _notices(page: Page) -> list[str]:
    told = []
    for column in page.columns:
        if column.substitute:
            told.append(f"> ⇄ {code(column.version)} shows {code(column.substitute)}: {code(column.because)}\n")
        if column.failure:
            told.append(f"> ◇ {code(column.version)} has no environment ({column.failure}): {code(column.message)}\n")
    return told


def families(page: Page) -> str:
    """The table of families against versions: a verdict, and how many of the cells passed."""
    lines = [
        "| family | " + " | ".join(_version(page, column.version) for column in page.columns) + " |",
        "|---" * (len(page.columns) + 1) + "|",
    ]
    for family in page.answers:
        name = code(family.name) if family.anchor else f"**{family.name}**"
        told = [f"{_mark(answer.verdict)} {answer.told}".strip() for answer in family.answers]
        lines.append(f"| {name} | " + " | ".join(told) + " |")
    return "\n".join(lines) + "\n"


def _version(page: Page, version: str) -> str:
    column = next(column for column in page.columns if column.version == version)
    return code(version) + (f" ⇄ {code(column.substitute)}" if column.substitute else "")


def _news(page: Page) -> list[str]:
    parts = []
    for group in page.news:
        lines = [f"### {_mark(group.mark)}: {plural(group.count, 'cell')}\n"]
        for item in group.items[:ITEMS]:
            cells = ", ".join(filter(None, (code(cell.label) for cell in item.cells[:6])))
            more = f" and {len(item.cells) - 6} more" if len(item.cells) > 6 else ""
            now = " ".join(sorted({_mark(cell.now) for cell in item.cells}))
            lines.append(f"- {code(item.version)} {code(item.scenario)} {cells}{more}: {now}".replace(" :", ":"))
        if len(group.items) > ITEMS:
            lines.append(f"- and {len(group.items) - ITEMS} more")
        parts.append("\n".join(lines) + "\n")
    return parts


def _causes(page: Page) -> list[str]:
    if not page.causes:
        return []
    lines = [
        "### Red cells by cause\n",
        "| cells | outcome | cause | versions | known issue |",
        "|---:|---|---|---|---|",
    ]
    for cause in page.causes[:CAUSES]:
        versions = ", ".join(code(version) for version, _ in cause.versions)
        known = code(cause.known.id) if cause.known else ""
        lines.append(f"| {cause.count} | {_mark(cause.mark)} | {code(cause.title)} | {versions} | {known} |")
    if len(page.causes) > CAUSES:
        lines.append(f"\nand {plural(len(page.causes) - CAUSES, 'more cause')}.")
    return ["\n".join(lines) + "\n"]


def _mark(mark: Mark) -> str:
    return f"{mark.glyph} {mark.word}"


TABLE = "<!-- table: generated from reports/latest.json by `compatmatrix readme`; do not edit -->"
END = "<!-- /table -->"


def insert(text: str, page: Page) -> str:
    """A document with the table between its markers replaced by this page's; raises ``ValueError`` without markers."""
    before, marker, rest = text.partition(TABLE)
    _, end, after = rest.partition(END)
    if not marker or not end:
        raise ValueError(f"there is no line {TABLE!r} with {END!r} after it")
    told = "\n".join([families(page), *_notices(page)])
    return f"{before}{TABLE}\n\n{told}\n{END}{after}"


def _plain(text: str) -> str:
    """Words of our own that hold a run's name: made harmless by taking only plain characters."""
    return re.sub(r"[^\w\s:.,-]", "", text)
