"""Two runs, or two versions of a run: each pair of cells has one kind, and the numbers add up."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix import compare, comparison
from compatmatrix.cli.comparing import diff as command
from compatmatrix.errors import CompatmatrixError, Exit
from compatmatrix.history import snapshot
from compatmatrix.ledger import Ledger
from compatmatrix.report import diff, diff_text, sides
from compatmatrix.report.diff import Kind
from compatmatrix.results import CellResult, Outcome, Run

from . import factory

CELL = "llama/auto[disk]"
PASS, FAIL, WRONG, UNSUPPORTED, SKIPPED = (
    Outcome.PASS,
    Outcome.FAIL,
    Outcome.WRONG,
    Outcome.UNSUPPORTED,
    Outcome.SKIPPED,
)


def kind_of(before: CellResult | None, after: CellResult | None) -> Kind:
    return diff.kind(sides.did(before) if before else None, sides.did(after) if after else None)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (PASS, PASS, Kind.SAME),
        (PASS, FAIL, Kind.BREAKS),
        (PASS, WRONG, Kind.BREAKS),
        (PASS, UNSUPPORTED, Kind.BREAKS),
        (FAIL, PASS, Kind.FIXES),
        (UNSUPPORTED, PASS, Kind.FIXES),
        (FAIL, FAIL, Kind.SAME),
        (FAIL, WRONG, Kind.OTHERWISE),
        (UNSUPPORTED, FAIL, Kind.OTHERWISE),
        (PASS, SKIPPED, Kind.UNKNOWN),
        (SKIPPED, SKIPPED, Kind.UNKNOWN),
        (Outcome.NOT_RUN, FAIL, Kind.UNKNOWN),
    ],
)
def test_kinds_by_outcome(before: Outcome, after: Outcome, expected: Kind) -> None:
    assert kind_of(factory.row(CELL, "a", before), factory.row(CELL, "b", after)) is expected


@pytest.mark.parametrize(
    ("outcome", "more", "expected"),
    [
        (PASS, {"fingerprint": {"model": {"dtypes": ["float16"]}}}, Kind.CHANGED),
        (PASS, {"warnings": ("deprecated",)}, Kind.INSIDE),
        (PASS, {"seconds": 9.0}, Kind.SAME),
        (PASS, {"reason": "said otherwise"}, Kind.SAME),
        (FAIL, {"signature": "KeyError: x"}, Kind.OTHERWISE),
        (FAIL, {"fingerprint": {"model": {"dtypes": ["float16"]}}}, Kind.OTHERWISE),
        (FAIL, {"warnings": ("deprecated",)}, Kind.INSIDE),
    ],
)
def test_kinds_by_behaviour(outcome: Outcome, more: dict[str, object], expected: Kind) -> None:
    assert kind_of(factory.row(CELL, "a", outcome), factory.row(CELL, "b", outcome, **more)) is expected


def test_a_cell_that_only_one_side_has() -> None:
    assert kind_of(None, factory.row(CELL, "a")) is Kind.ADDED
    assert kind_of(factory.row(CELL, "a"), None) is Kind.REMOVED


OUTCOMES = st.lists(st.sampled_from(Outcome), min_size=6, max_size=6)
PLACES = [(shown.version, cell) for shown in factory.COLUMNS for cell in factory.CELLS]


def a_run(number: int, outcomes: list[Outcome]) -> Run:
    return factory.run(number, *(factory.row(c, v, each) for (v, c), each in zip(PLACES, outcomes, strict=True)))


@given(before=OUTCOMES, after=OUTCOMES)
def test_the_counts_add_up_and_turning_round_swaps_breaks_and_fixes(
    before: list[Outcome], after: list[Outcome]
) -> None:
    one, two = sides.whole(a_run(0, before)), sides.whole(a_run(1, after))
    there, back = diff.runs(one, two), diff.runs(two, one)
    assert sum(there.counts.values()) == len(PLACES)
    assert sum(len(there.of(kind)) for kind in Kind) == len(there.pairs)
    swapped = {Kind.BREAKS: Kind.FIXES, Kind.FIXES: Kind.BREAKS}
    assert {swapped.get(kind, kind): count for kind, count in there.counts.items()} == back.counts
    assert there.counts[Kind.BREAKS] == sum(
        was is PASS and now is not PASS and now.answered for was, now in zip(before, after, strict=True)
    )


@given(before=OUTCOMES, after=OUTCOMES)
def test_snapshots_count_as_whole_runs_do(before: list[Outcome], after: list[Outcome]) -> None:
    runs = a_run(0, before), a_run(1, after)
    whole = diff.runs(sides.whole(runs[0]), sides.whole(runs[1]))
    short = diff.runs(sides.short(snapshot(runs[0])), sides.short(snapshot(runs[1])))
    assert whole.counts == short.counts


def test_breaks_are_what_judge_calls_a_regression_of_a_pass() -> None:
    """Kinds and news are two views of one change, and must not contradict one another."""
    for was, now in itertools.product(Outcome, Outcome):
        before, after = factory.row(CELL, "main", was), factory.row(CELL, "main", now)
        news = compare.judge(after, factory.COLUMNS[1], before, Ledger())[0]
        if kind_of(before, after) is Kind.BREAKS:
            assert news.value == "regressed"
        if kind_of(before, after) is Kind.FIXES:
            assert news.value == "fixed"


def test_time_and_memory_are_of_what_passes_on_both_sides() -> None:
    slow = factory.row("llama/auto[disk]", "main", seconds=9.0, peak_memory=1 << 30)
    red = factory.row("gemma3/text", "main", FAIL, seconds=100.0)
    found = diff.versions(sides.whole(factory.run(0, slow, red)), "4.46.3", "main")
    time, memory = found.costs
    assert (time.name, time.cells, time.before, time.after, time.ratio) == ("time", 2, 2.0, 10.0, 5.0)
    assert [pair.cell for pair, _, _ in time.more] == ["llama/auto[disk]"]
    assert (memory.before, memory.after) == (1 << 20, 1 << 30), "the largest peaks: peaks do not add up"


def test_a_result_that_both_runs_took_from_the_store_is_no_measurement_of_a_difference() -> None:
    kept = factory.row(CELL, "main", key="k")
    found = diff.runs(sides.whole(factory.run(0, kept)), sides.whole(factory.run(1, kept)))
    assert {cost.cells for cost in found.costs} == {5}


def test_what_differs_is_told_and_a_substitute_is_no_evidence() -> None:
    half = factory.row(CELL, "main", fingerprint={"model": {"dtypes": ["float16"]}})
    text = diff_text.text(diff.versions(sides.whole(factory.run(0, half)), "4.46.3", "main"))
    assert "model.dtypes: now float16; no longer float32" in text
    assert "! main shows 5.23.0, a substitute: no evidence for main itself" in text
    assert "3 cells: 1 pass and behave differently, 2 are the same." in text


def test_a_note_on_one_run_alone_names_the_run() -> None:
    real = (factory.COLUMNS[0], factory.column("main", transformers="5.24.0.dev0", commit="c" * 40))
    first, second = sides.whole(factory.run(0)), sides.whole(factory.run(1, columns=real))
    text = diff_text.text(diff.runs(first, second))
    assert "! in run run-0, main shows 5.23.0, a substitute" in text
    assert "main: 5.24.0.dev0 at cccccccccccc, was 5.23.0 (for main)" in text
    assert diff_text.text(diff.runs(first, first)).count("a substitute") == 1


def test_hostile_text_stays_text() -> None:
    bad = factory.row(CELL, "main", FAIL, signature="\x1b[31m`@someone` | <b>\u202e\nx")
    found = diff.versions(sides.whole(factory.run(0, bad)), "4.46.3", "main")
    assert "\x1b" not in diff_text.text(found) and "\u202e" not in diff_text.text(found)
    assert "`` ✓ pass" not in diff_text.markdown(found)
    assert "``✓ pass -> ✗ fail: `@someone` \\| <b>" in diff_text.markdown(found)
    json.dumps(diff_text.data(found))


@pytest.fixture
def report(tmp_path: Path) -> Path:
    from compatmatrix import archive

    (tmp_path / "reports").mkdir()
    for number in (0, 1):
        archive.append(tmp_path / "reports", snapshot(factory.run(number)))
    last = factory.run(2, factory.row(CELL, "main", FAIL))
    (tmp_path / "reports/latest.json").write_text(last.to_json())
    archive.append(tmp_path / "reports", snapshot(last))
    return tmp_path / "reports"


def call(report: Path, *words: str) -> tuple[Result, Exit]:
    result = CliRunner().invoke(command, [*words, "--report", str(report)], standalone_mode=False)
    if result.exception:
        raise result.exception
    return result, result.return_value


def test_the_command_finds_runs_by_id_and_by_file(report: Path) -> None:
    for before in ("run-0", "run-1", str(report / "runs/run-1.json")):
        result, status = call(report, before)
        assert status is Exit.REGRESSED
        assert "6 cells: 1 break, 5 are the same." in result.output
    assert call(report, "run-0", "run-1")[1] is Exit.OK
    assert call(report, "run-2", "run-2")[1] is Exit.OK
    assert call(report, str(report / "latest.json"), "run-1")[1] is Exit.NEWS, "a fix is news"


def test_the_command_compares_versions(report: Path) -> None:
    result, status = call(report, "--versions", "4.46.3", "main", "--cells", "llama", "--format", "json")
    data = json.loads(result.output)
    assert status is Exit.REGRESSED
    assert data["counts"]["breaks"] == 1 and sum(data["counts"].values()) == 2
    assert [(each["cell"], each["kind"]) for each in data["cells"]] == [(CELL, "breaks")]
    assert call(report, "--versions", "4.46.3", "main", "--cells", "gemma3/*")[1] is Exit.OK
    assert call(report, "--versions", "4.46.3", "main", "--run", "run-0")[1] is Exit.OK


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "nothing to compare"),
        (("run-9",), "Did you mean 'run-"),
        (("--versions", "4.46.2", "main"), "Did you mean '4.46.3'?"),
        (("run-0", "--cells", "lama/*"), "no cell matches"),
        (("run-0", "--versions", "4.46.3", "main"), "--versions compares versions of one run"),
    ],
)
def test_what_is_not_there_is_named(report: Path, words: tuple[str, ...], told: str) -> None:
    with pytest.raises(CompatmatrixError, match=told.replace("?", r"\?")) as caught:
        call(report, *words)
    assert caught.value.exit is Exit.INPUT


def test_a_file_that_is_no_run_is_refused(report: Path) -> None:
    (report / "other.json").write_text("{}")
    with pytest.raises(CompatmatrixError, match="neither a run nor a snapshot") as caught:
        call(report, str(report / "other.json"))
    assert caught.value.exit is Exit.STORAGE


def test_not_measured_is_neither_the_same_nor_a_break(tmp_path: Path) -> None:
    silent = factory.run(1, factory.row(CELL, "main", Outcome.NOT_RUN))
    found = diff.runs(sides.whole(factory.run(0)), sides.whole(silent))
    assert found.exit is Exit.INFRASTRUCTURE
    assert comparison.LATEST == "latest.json"
