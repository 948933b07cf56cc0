"""A run -> everything the page shows. Pure, and golden-tested: no clock, no files, no environment.

The same run gives the same context, byte for byte; every time in it comes from the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from compatmatrix.history import History
from compatmatrix.report import answers, compare_panel, past, pin_panel
from compatmatrix.report.addresses import column_anchor
from compatmatrix.report.beside import lock_file
from compatmatrix.report.causes import causes
from compatmatrix.report.display import duration, moment, size, utc
from compatmatrix.report.lookup import Lookup, chips
from compatmatrix.report.table import dense, families
from compatmatrix.report.views import ColumnView, LedgerNote, Page
from compatmatrix.results import Column, Run
from compatmatrix.text import clean, one_line

__all__ = ["LedgerNote", "Page", "build"]


def build(
    run: Run,
    *,
    before: Run | None = None,
    ledger: Mapping[str, LedgerNote] | None = None,
    history: History | None = None,
    overdue_after: int | None = None,
) -> Page:
    """The page of a run, and the details of each of its scenarios.

    ``before`` is the run that the news was judged against (its outcomes are shown beside the news);
    ``ledger`` maps the ids in ``run.known`` to what is known; ``history`` ends with this run;
    ``overdue_after`` is the number of days after which the next run is overdue.
    """
    look = Lookup(run, before, ledger or {}, history)
    headline, tone = answers.headline(look)
    outcomes, news_legend = answers.legend(look)
    return Page(
        run=run.id,
        finished=moment(run.finished),
        finished_iso=f"{utc(run.finished):%Y-%m-%dT%H:%M:%SZ}",
        overdue_after=overdue_after,
        took=duration((utc(run.finished) - utc(run.started)).total_seconds()),
        machine=_machine(run),
        tool=f"compatmatrix {run.compatmatrix}",
        headline=headline,
        tone=tone,
        compared=answers.compared(look),
        figures=answers.figures(look),
        answers=answers.answers(look),
        news=answers.news(look),
        causes=causes(look),
        columns=tuple(_column(look, column) for column in run.columns),
        families=families(look),
        dense=dense(look),
        runs=past.runs(look),
        expected=_expected(run, overdue_after),
        complete=_complete(look),
        compare=compare_panel.panel(look),
        pins=pin_panel.panel(run),
        outcomes=outcomes,
        news_legend=news_legend,
    )


def _expected(run: Run, days: int | None) -> str:
    return moment(run.finished + timedelta(days=days)) if days else ""


def _complete(look: Lookup) -> str:
    """The last run that measured all its cells, where that is not this one."""
    last, snapshots = look.history.last_complete(), look.history.snapshots
    if not snapshots or last is snapshots[-1]:
        return ""
    return f"run {last.id} of {moment(last.finished)}" if last else "none in the history"


def _machine(run: Run) -> str:
    machine = run.machine
    cpus = f"{machine.cpus} CPU" + ("" if machine.cpus == 1 else "s")
    return one_line(f"{machine.system} {machine.architecture}, {cpus}, {size(machine.memory)}, Python {machine.python}")


# -- the columns


def _column(look: Lookup, column: Column) -> ColumnView:
    failure, substitute = column.failure, column.substitute
    return ColumnView(
        version=column.version,
        anchor=column_anchor(column.version),
        installed=one_line(column.transformers, 60) if column.ready else "",
        substitute=one_line(substitute.shows, 60) if substitute else "",
        because=one_line(substitute.because, 300) if substitute else "",
        failure=failure.reason.value if failure else "",
        message=one_line(failure.message, 600) if failure else "",
        hint=one_line(failure.hint, 300) if failure else "",
        log=clean(failure.log, limit=4000) if failure else "",
        source=one_line(column.source, 300),
        commit=one_line(column.commit or "", 60),
        facts=_facts(column),
        packages=tuple((one_line(package.name, 80), one_line(package.version, 60)) for package in column.packages),
        lock=lock_file(column),
        chips=chips(look.by_version.get((column.version,))),
        age=look.oldest(column.version),
    )


def _facts(column: Column) -> tuple[tuple[str, str], ...]:
    facts = (
        ("Python", column.python),
        ("torch", column.torch),
        ("accelerate", column.accelerate),
        ("environment", column.environment),
        ("lock", column.lock_hash[:16]),
        ("resolved", moment(column.resolved_at) if column.resolved_at else ""),
    )
    return tuple((name, one_line(text, 120)) for name, text in facts if text)
