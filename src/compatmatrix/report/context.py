"""A run -> everything the page shows. Pure, and golden-tested: no clock, no files, no environment.

The same run gives the same context, byte for byte; every time in it comes from the run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from compatmatrix.report import answers
from compatmatrix.report.beside import detail_file, lock_file
from compatmatrix.report.causes import causes
from compatmatrix.report.details import details, known_issues
from compatmatrix.report.display import OUTCOMES, age, duration, moment, size, utc
from compatmatrix.report.lookup import Lookup, anchor, chips, column_anchor, family_anchor, news_chips, scenario_anchor
from compatmatrix.report.views import CellView, ColumnView, FamilyView, LedgerNote, Page, RowView, ScenarioView, Sum
from compatmatrix.results import Column, Run, Scenario
from compatmatrix.text import clean, one_line

__all__ = ["LedgerNote", "Page", "build"]


def build(run: Run, *, before: Run | None = None, ledger: Mapping[str, LedgerNote] | None = None) -> Page:
    """The page of a run, and the details of each of its scenarios.

    ``before`` is the run that the news was judged against (its outcomes are shown beside the news);
    ``ledger`` maps the ids in ``run.known`` to what is known.
    """
    look = Lookup(run, before, ledger or {})
    headline, tone = answers.headline(look)
    outcomes, news_legend = answers.legend(look)
    return Page(
        run=run.id,
        finished=moment(run.finished),
        finished_iso=f"{utc(run.finished):%Y-%m-%dT%H:%M:%SZ}",
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
        families=tuple(_family(look, family) for family in look.families),
        outcomes=outcomes,
        news_legend=news_legend,
    )


def _machine(run: Run) -> str:
    machine = run.machine
    cpus = f"{machine.cpus} CPU" + ("" if machine.cpus == 1 else "s")
    return one_line(f"{machine.system} {machine.architecture}, {cpus}, {size(machine.memory)}, Python {machine.python}")


# -- the table


def _family(look: Lookup, family: str) -> FamilyView:
    scenarios = [scenario for scenario in look.run.scenarios if scenario.family == family]
    return FamilyView(family, family_anchor(family), tuple(_scenario(look, scenario) for scenario in scenarios))


def _scenario(look: Lookup, scenario: Scenario) -> ScenarioView:
    rows = tuple(
        RowView(
            label=variant.label,
            anchor=anchor(cell),
            cells=tuple(_cell(look, version, cell) for version in look.versions),
        )
        for cell, variant in zip(scenario.cells, scenario.variants, strict=True)
    )
    return ScenarioView(
        id=scenario.id,
        name=scenario.id.removeprefix(f"{scenario.family}/"),
        anchor=scenario_anchor(scenario.id),
        page=detail_file(scenario.id),
        title=one_line(scenario.title, 200),
        doc=clean(scenario.doc, limit=1500).strip(),
        where=f"{scenario.file}:{scenario.line}" if scenario.file else "",
        claims=tuple(one_line(claim, 80) for claim in scenario.claims),
        cures=tuple(one_line(cure, 80) for cure in scenario.cures),
        sums=tuple(_sum(look, scenario, version) for version in look.versions),
        rows=rows,
        details=details(look, scenario),
        known=known_issues(look, scenario),
    )


def _cell(look: Lookup, version: str, cell: str) -> CellView:
    row = look.row(version, cell)
    return CellView(anchor(cell, version), OUTCOMES[row.outcome], look.news_mark(version, cell), row.flaky)


def _sum(look: Lookup, scenario: Scenario, version: str) -> Sum:
    news = Counter(look.news(version, cell) for cell in scenario.cells)
    return Sum(chips(look.by_scenario.get((scenario.id, version))), news_chips(news))


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
        age=_oldest(look, column),
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


def _oldest(look: Lookup, column: Column) -> str:
    """The age of the oldest result that was taken from the store; nothing when all were measured by this run."""
    rows = [row for row in look.run.results if row.version == column.version and look.age(row)]
    times = [utc(row.measured_at) for row in rows if row.measured_at]
    return age(utc(look.run.finished) - min(times)) if times else ""
