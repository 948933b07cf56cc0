"""What versions say of one another: who is in the majority, and where there is none."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.results import CellResult, Outcome, Run
from compatmatrix.trying import agreement
from tests.pins import making

CELL = "given/load[LlamaForCausalLM,default]"


def run(
    values: Sequence[float | None], *, judge: str = "the same model in float64", locks: Sequence[str] = (), **more: Any
) -> Run:
    """A run in which each version gave this number; None where the cell failed."""
    columns = [making.column(f"4.{number}.0") for number in range(len(values))]
    if locks:
        columns = [column.model_copy(update={"lock_hash": lock}) for column, lock in zip(columns, locks, strict=True)]
    whole = making.run(columns, {CELL: "".join("f" if value is None else "p" for value in values)})
    rows = [_told(row, value, judge, **more) for row, value in zip(whole.results, values, strict=True)]
    return whole.model_copy(update={"results": tuple(rows)})


def _told(row: CellResult, value: float | None, judge: str, tolerance: float = 0.1) -> CellResult:
    output = {"values": [0.0, value], "tolerance": tolerance, "shape": [1, 2], "judged by": judge}
    return row if value is None else row.model_copy(update={"fingerprint": {agreement.OUTPUT: output}})


def outcomes(whole: Run) -> list[str]:
    compared = agreement.with_agreement(whole, [CELL])
    return [row.outcome.value for row in compared.results if row.cell.startswith(agreement.ID)]


def test_versions_that_agree() -> None:
    assert outcomes(run([1.0, 1.05, 0.98])) == ["pass"] * 3


def test_one_that_answers_otherwise() -> None:
    assert outcomes(run([1.0, 3.0, 1.0])) == ["pass", "wrong", "pass"]


def test_two_that_disagree_are_not_judged() -> None:
    whole = agreement.with_agreement(run([1.0, 3.0]), [CELL])
    reasons = [row.reason for row in whole.results if row.outcome is Outcome.SKIPPED]
    assert len(reasons) == 2
    assert all(reason.startswith(agreement.DISPUTED) and "4.0.0 | 4.1.0" in reason for reason in reasons)


def test_a_version_with_another_ones_lock_has_no_voice_of_its_own() -> None:
    assert outcomes(run([1.0, 1.0, 3.0], locks=["a", "a", "b"])) == ["skipped"] * 3
    assert outcomes(run([1.0, 1.0], locks=["a", "a"])) == []


def test_an_independent_judge_goes_before_the_majority() -> None:
    assert outcomes(run([1.0, 3.0, 1.0], judge=agreement.INDEPENDENT)) == []


def test_a_red_cell_has_no_voice() -> None:
    assert outcomes(run([1.0, None, 1.0])) == ["pass", "skipped", "pass"]
    assert outcomes(run([1.0, None])) == []


def test_a_version_without_an_environment() -> None:
    whole = run([1.0, 1.0, 1.0])
    whole = whole.model_copy(update={"columns": (*whole.columns[:2], making.gone("4.2.0"))})
    assert outcomes(whole) == ["pass", "pass", "env-fail"]


def test_tokenizers_agree_by_their_ids() -> None:
    columns = [making.column(f"4.{number}.0") for number in range(3)]
    whole = making.run(columns, {"given/tokenizer": "ppp"})
    ids = ["one", "one", "two"]
    rows = [
        row.model_copy(update={"fingerprint": {"ids": {"digest": digest}}})
        for row, digest in zip(whole.results, ids, strict=True)
    ]
    assert outcomes(whole.model_copy(update={"results": tuple(rows)})) == ["pass", "pass", "wrong"]


def test_a_record_that_makes_no_sense_says_nothing() -> None:
    whole = run([1.0, 1.0, 1.0])
    broken = [{agreement.OUTPUT: {"values": "x"}}, {agreement.OUTPUT: 3}, {}]
    rows = [row.model_copy(update={"fingerprint": facts}) for row, facts in zip(whole.results, broken, strict=True)]
    assert outcomes(whole.model_copy(update={"results": tuple(rows)})) == []


def test_every_planned_cell_has_one_row_and_the_index_knows_the_new_ones() -> None:
    whole = run([1.0, 3.0, 1.0])
    assert whole.result("4.0.0", CELL)  # the index is there before
    compared = agreement.with_agreement(whole, [CELL])
    cells = [cell for scenario in compared.scenarios for cell in scenario.cells]
    counts = Counter((row.version, row.cell) for row in compared.results)
    assert counts == {(column.version, cell): 1 for column in compared.columns for cell in cells}
    assert compared.result("4.1.0", f"{agreement.ID}[load,LlamaForCausalLM,default]").outcome is Outcome.WRONG
    assert Run.from_json(compared.to_json()) == compared


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=2, max_size=7))
def test_whoever_is_called_wrong_is_outvoted(values: list[float]) -> None:
    found = dict(zip(range(len(values)), outcomes(run(values)), strict=True))
    counts = Counter(values)
    for number, outcome in found.items():
        most = counts.most_common(1)[0]
        majority = 2 * most[1] > len(values)
        expected = "skipped" if not majority else "pass" if values[number] == most[0] else "wrong"
        assert outcome == expected
