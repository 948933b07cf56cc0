"""The summary in the terminal, by rich: families and scenarios against versions, the news, the report's path.

Without a terminal, or with ``NO_COLOR``, it is plain text. Where the table does not fit, each version
gets lines of its own: a table that is cut off tells less than a list.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from compatmatrix.report.context import Page, build
from compatmatrix.report.display import Mark
from compatmatrix.report.views import Chip, ColumnView, NewsItem
from compatmatrix.results import Run

STYLES = {
    "wrong": "bold magenta",
    "crash": "bold yellow",
    "oom": "bold yellow",
    "timeout": "bold yellow",
    "fail": "bold red",
    "partly": "yellow",
    "pass": "green",
    "regressed": "bold red",
    "new": "bold magenta",
    "changed": "cyan",
    "fixed": "green",
}
ITEMS = 12
_CELL = 14
_FIRST = 30


class _Console(Console):
    def on_broken_pipe(self) -> None:
        raise BrokenPipeError  # rich would end the program, with a status that means something else here


def show(run: Run, path: Path | None = None, *, console: Console | None = None, page: Page | None = None) -> None:
    """Print the summary of a run; ``path`` is where the report was written."""
    console = console or _Console(highlight=False)
    page = page or build(run)
    console.print()
    if console.width >= _FIRST + _CELL * len(page.columns):
        console.print(_table(page))
    else:
        _list(console, page)
    _columns(console, page)
    _news(console, page)
    console.print(Text(page.headline + ".", style="bold"))
    console.print(", ".join(f"{figure.number:,} {figure.label}" for figure in page.figures))
    if path is not None:
        # soft_wrap: a path that is broken over two lines can neither be clicked nor copied.
        console.print(f"Report: {escape(str(path))}", soft_wrap=True)


def _table(page: Page) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("", overflow="fold")
    for column in page.columns:
        table.add_column(Text(_head(column)), overflow="fold", min_width=9)
    for family, answers in zip(page.families, page.answers, strict=False):
        verdicts = [Text.assemble(_text(answer.verdict), f" {answer.told}") for answer in answers.answers]
        table.add_row(Text(family.name, style="bold"), *verdicts)
        for scenario in family.scenarios:
            table.add_row(Text(f"  {scenario.name}"), *(_chips(total.chips) for total in scenario.sums))
    every = page.answers[-1]
    verdicts = [Text.assemble(_text(answer.verdict), f" {answer.told}") for answer in every.answers]
    table.add_section()
    table.add_row(Text(every.name, style="bold"), *verdicts)
    return table


def _list(console: Console, page: Page) -> None:
    """For narrow terminals: version by version, family by family."""
    for index, column in enumerate(page.columns):
        console.print(Text(_head(column).replace("\n", " "), style="bold"))
        for family in page.answers:
            answer = family.answers[index]
            line = Text.assemble("  ", family.name, ": ", _text(answer.verdict), f" {answer.told}")
            if len(answer.chips) > 1:
                line.append("  ").append_text(_chips(answer.chips, ", "))
            console.print(line)


def _columns(console: Console, page: Page) -> None:
    for column in page.columns:
        if column.substitute:
            console.print(Text(f"⇄ {column.version} shows {column.substitute}: {column.because}", style="yellow"))
        if column.failure:
            console.print(Text(f"◇ {column.version}: {column.failure}: {column.message}", style="yellow"))
            if column.hint:
                console.print(Text(f"  next: {column.hint}"))


def _news(console: Console, page: Page) -> None:
    for group in page.news:
        console.print(Text.assemble(_text(group.mark), f": {group.count}"))
        for item in group.items[:ITEMS]:
            console.print(Text.assemble("  ", (item.version, "bold"), " ", _told(item)))
        if len(group.items) > ITEMS:
            console.print(f"  … and {len(group.items) - ITEMS} more, in the report")
    console.print()


def _told(item: NewsItem) -> Text:
    labels = " ".join(cell.label for cell in item.cells[:3])
    left = len(item.cells[3:]) + item.more
    more = f" and {left} more" if left else ""
    marks = {cell.now.css: cell.now for cell in item.cells}
    line = Text(f"{item.scenario} {labels}{more} ".replace("  ", " "))
    for mark in marks.values():
        line.append_text(_text(mark)).append(" ")
    return line


def _head(column: ColumnView) -> str:
    if column.substitute:
        return f"{column.version}\n⇄ {column.substitute}"
    return f"{column.version}\n◇ {column.failure}" if column.failure else column.version


def _chips(chips: tuple[Chip, ...], separator: str = "\n") -> Text:
    return Text(separator).join([_text(chip.mark, chip.count) for chip in chips])


def _text(mark: Mark, count: int | None = None) -> Text:
    told = f"{mark.glyph} {mark.word}" if count is None else f"{mark.glyph} {count} {mark.word}"
    return Text(told, style=STYLES.get(mark.css, "dim"))
