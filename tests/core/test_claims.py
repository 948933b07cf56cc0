"""Published claims: every kind of condition with every outcome, the file's mistakes, and the page."""

import datetime
from pathlib import Path
from typing import Any

import pytest

from compatmatrix import claims, loading, reporting, verdicts
from compatmatrix.claims import Answer, Claim, Claims
from compatmatrix.errors import MatrixError, StorageError
from compatmatrix.ledger import matches
from compatmatrix.report import claims_page
from compatmatrix.results import CellResult, Check, Column, Machine, Outcome, Run, Scenario, Substitute
from tests.core.factories import column, result, scenario

ROOT = Path(__file__).parents[2]
NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
HOLDS, NOT, UNTESTED = Answer.HOLDS, Answer.DOES_NOT_HOLD, Answer.CANNOT_BE_TESTED
META = "ValueError: weight is on the meta device [cpu]"


def claim(*judged: dict[str, Any], **more: Any) -> Claim:
    return Claim.model_validate({"id": "C1.1", "claim": "it is so", "source": "a/b#1", "judged": judged, **more})


def run(*rows: CellResult, columns: tuple[Column, ...] = (column(),), scenarios: tuple[Scenario, ...] = ()) -> Run:
    machine = Machine(system="Linux", architecture="x86_64", python="3.11", cpus=2, memory=1)
    times = {"started": NOW, "finished": NOW}
    return Run(id="r", compatmatrix="0", machine=machine, columns=columns, scenarios=scenarios, results=rows, **times)


def row(label: str, outcome: Outcome = Outcome.PASS, signature: str | None = None, **more: Any) -> CellResult:
    return result(f"llama/{label}", outcome=outcome, signature=signature, **more)


def failed(label: str, signature: str = META, **more: Any) -> CellResult:
    return row(label, Outcome.FAIL, signature, **more)


def answer(condition: dict[str, Any], *rows: CellResult) -> Answer:
    return verdicts.judge(claim(condition), run(*rows))["1.0"].answer


PASS, RED = row("a[x]"), failed("a[y]")
WRONG = row("a[z]", Outcome.WRONG, "wrong: forward")
UNKNOWN, ABSENT, BROKEN, LATER = (
    row(f"a[{outcome.value}]", outcome, reason="not here")
    for outcome in (Outcome.UNSUPPORTED, Outcome.SKIPPED, Outcome.ENV_FAIL, Outcome.NOT_RUN)
)
SAYS = {"signature": ["*on the meta device [cpu]*"]}


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((PASS, RED), HOLDS),
        ((UNKNOWN, RED), HOLDS),
        ((PASS,), NOT),
        ((PASS, failed("a[o]", "KeyError: 'x'")), NOT),
        ((WRONG,), NOT),
        ((UNKNOWN, ABSENT, BROKEN, LATER), UNTESTED),
        ((), UNTESTED),
    ],
)
def test_fails(rows: tuple[CellResult, ...], expected: Answer) -> None:
    assert answer({"fails": ["llama/a"], **SAYS}, *rows) is expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((PASS, UNKNOWN), HOLDS),
        ((PASS, RED), NOT),
        ((PASS, WRONG), NOT),
        ((UNKNOWN, ABSENT, BROKEN, LATER), UNTESTED),
        ((), UNTESTED),
    ],
)
def test_works(rows: tuple[CellResult, ...], expected: Answer) -> None:
    assert answer({"works": ["llama/a"]}, *rows) is expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [((PASS, WRONG), HOLDS), ((PASS, RED), NOT), ((RED,), NOT), ((BROKEN,), UNTESTED)],
)
def test_silent(rows: tuple[CellResult, ...], expected: Answer) -> None:
    assert answer({"silent": ["llama/a"]}, *rows) is expected


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (RED, PASS, HOLDS),
        (RED, WRONG, NOT),
        (PASS, PASS, UNTESTED),
        (failed("a[x]", "KeyError"), PASS, UNTESTED),
        (RED, UNKNOWN, UNTESTED),
    ],
)
@pytest.mark.parametrize("newest_first", [False, True])
def test_fixed_needs_an_earlier_failure(
    before: CellResult, now: CellResult, expected: Answer, newest_first: bool
) -> None:
    old, new = column("old", "4.9.0"), column("new", "4.10.0")
    rows = (before.model_copy(update={"version": "old"}), now.model_copy(update={"version": "new"}))
    measured = run(*rows, columns=(new, old) if newest_first else (old, new))
    assert verdicts.judge(claim({"fixed": ["llama/a"], **SAYS}), measured)["new"].answer is expected


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((row("a[1,x]"), row("a[2,x]")), NOT),
        ((row("a[1,x]"), row("a[1,y]"), failed("a[2,x]"), row("a[2,y]")), HOLDS),
        ((row("a[1,x]"), row("a[2,x]", Outcome.UNSUPPORTED)), HOLDS),
        ((failed("a[1,x]"), failed("a[2,x]")), HOLDS),
        ((row("a[1,x]", Outcome.ENV_FAIL), row("a[2,x]", Outcome.ENV_FAIL)), UNTESTED),
    ],
)
def test_apart(rows: tuple[CellResult, ...], expected: Answer) -> None:
    assert answer({"apart": ["llama/a[1,*]", "llama/a[2,*]"]}, *rows) is expected


GOOD, BAD, NAN = (Check(name="forward 0", measured=value, limit=1.0) for value in (0.5, 2.0, float("nan")))
OTHER = Check(name="tensors", measured=9.0, limit=0.0)


@pytest.mark.parametrize(
    ("checks", "keeps", "breaks"),
    [
        ((GOOD, OTHER), HOLDS, NOT),
        ((GOOD, BAD), NOT, HOLDS),
        ((NAN,), NOT, HOLDS),
        ((OTHER,), UNTESTED, UNTESTED),
        ((), UNTESTED, UNTESTED),
    ],
)
def test_checks(checks: tuple[Check, ...], keeps: Answer, breaks: Answer) -> None:
    measured = failed("a[x]", checks=checks)
    assert answer({"keeps": ["llama/a"], "checks": ["forward*"]}, measured) is keeps
    assert answer({"breaks": ["llama/a"], "checks": ["forward*"]}, measured) is breaks


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ((failed("a[x]"), row("a-b[x]"), failed("a-b[y]")), HOLDS),
        ((failed("a[x]"), failed("a[y]"), row("a-b[x]"), WRONG, row("a-b[y]", Outcome.WRONG)), NOT),
        ((failed("a[x]"), row("a-b[x]", Outcome.SKIPPED)), UNTESTED),
        ((failed("a[x]"), row("a-b[y]")), UNTESTED),
        ((row("a[x]"), row("a-b[x]")), UNTESTED),
        ((failed("a[x]", "KeyError"), failed("a-b[x]")), UNTESTED),
        ((), UNTESTED),
    ],
)
def test_cures_are_measured_where_the_failure_occurs(rows: tuple[CellResult, ...], expected: Answer) -> None:
    assert answer({"cures": "llama/a-b", "failing": "llama/a", **SAYS}, *rows) is expected


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"bytes": {"file": 8, "loaded": 4}}, HOLDS),
        ({"bytes": {"file": 8, "loaded": 5}}, NOT),
        ({"bytes": {"file": 0, "loaded": 5}}, UNTESTED),
        ({"bytes": {"file": "much", "loaded": True}}, UNTESTED),
        ({"bytes": 3}, UNTESTED),
        ({}, UNTESTED),
    ],
)
def test_ratio_of_a_fact(facts: dict[str, Any], expected: Answer) -> None:
    condition = {"ratio": ["llama/a"], "fact": "bytes", "of": "loaded", "to": "file", "at_most": 0.5}
    assert answer(condition, row("a[x]", Outcome.WRONG, fingerprint=facts)) is expected


def test_what_nothing_measures_is_not_tested() -> None:
    assert answer({"untested": "no such machine"}, PASS) is UNTESTED


@pytest.mark.parametrize(
    ("second", "expected"),
    [({"works": ["llama/a"]}, HOLDS), ({"untested": "not here"}, UNTESTED), ({"silent": ["llama/a"]}, NOT)],
)
def test_a_claim_of_several_conditions_holds_where_all_do(second: dict[str, Any], expected: Answer) -> None:
    verdict = verdicts.judge(claim({"works": ["llama/a"]}, second), run(PASS))["1.0"]
    assert (verdict.answer, len(verdict.findings)) == (expected, 2)


@pytest.mark.parametrize(
    ("rows", "spoilt"),
    [
        ((row("bad[x]", Outcome.WRONG), row("good[x]")), 1),
        ((failed("bad[x]"), row("good[x]")), 0),
        ((row("bad[x]", Outcome.WRONG), row("good[x]", Outcome.WRONG)), 0),
        ((row("bad[x]", Outcome.WRONG), row("good[x]", Outcome.UNSUPPORTED)), 0),
    ],
)
def test_advice_does_harm_where_it_alone_makes_the_answer_wrong(rows: tuple[CellResult, ...], spoilt: int) -> None:
    harm = claims.Harm(cells=("llama/bad",), without=("llama/good",))
    assert len(verdicts.harmed(harm, run(*rows), column())[0]) == spoilt


def test_a_file_with_mistakes_tells_all_of_them(tmp_path: Path) -> None:
    text = """\
cases:
  - title: one
    claims:
      - id: C1
        claim: it is so
        source: nowhere
        judged:
          - fials: ["llama/a"]
          - fails: ["llama/a"]
          - works: ["llama/a"]
            chekcs: [forward]
        nots: it
"""
    path = tmp_path / "claims.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(MatrixError) as caught:
        loading.load_claims(path)
    lines = [(int(problem.split(":")[0].removeprefix("line ")), problem) for problem in caught.value.problems]
    assert [line for line, _ in lines] == [4, 6, 8, 9, 10, 12]
    assert "a condition begins with one of the keys fails, works" in lines[2][1]
    assert "signature: is missing" in lines[3][1]
    assert "Did you mean 'note'?" in lines[5][1]


def test_an_id_may_not_stand_twice() -> None:
    one = claim({"untested": "not here"}).model_dump()
    with pytest.raises(ValueError, match="twice"):
        Claims.model_validate({"cases": [{"title": "one", "claims": [one, one]}]})


def told(*of: Claim) -> Claims:
    return Claims.model_validate({"cases": [{"title": "a case", "claims": [one.model_dump() for one in of]}]})


def test_the_page_shows_a_substitute_and_what_a_claim_speaks_of() -> None:
    stands_in = column("1.0", "4.50.0", substitute=Substitute(shows="4.50.0", because="cannot be reached"))
    spoken = claim({"works": ["llama/a"]}, said_of="==4.50.0.dev0")
    page = claims_page.page(told(spoken), run(PASS, columns=(stands_in,)))
    assert "| `4.50.0 (for 1.0)` |" in page
    assert "no evidence for `1.0`" in page
    assert "| ✓ holds |" in page, "a substitute is not the version that the claim speaks of"
    about = claim({"works": ["llama/a"]}, said_of="==4.50.0")
    assert "| **✓ holds** |" in claims_page.page(told(about), run(PASS, columns=(stands_in,)))


def test_the_page_holds_untrusted_text_in_code_spans_and_names_the_cells() -> None:
    nasty = failed("a[x]", "Error: <b>@everyone</b> | `#12`")
    page = claims_page.page(told(claim({"works": ["llama/a"]})), run(nasty, scenarios=(scenario("llama/a", "[x]"),)))
    assert "does not hold: 1 of 1 cells do not pass (`llama/a`). Told: `` Error: <b>@everyone</b> \\| `#12` ``" in page


def test_numbers_are_those_of_the_run() -> None:
    rows = (
        row("a[x]", checks=(Check(name="forward", measured=0.25, limit=1),), fingerprint={"loss": {"seen": "1.5"}}),
        row("a[y]", Outcome.WRONG, checks=(Check(name="forward", measured=float("inf"), limit=1),)),
    )
    numbers = [
        {"says": "difference", "cells": ["llama/a"], "check": "forward"},
        {"says": "loss", "cells": ["llama/a"], "fact": "loss.seen"},
        {"says": "passing", "cells": ["llama/a"]},
        {"says": "absent", "cells": ["llama/none"], "check": "forward"},
    ]
    page = claims_page.page(told(claim({"works": ["llama/a"]}, numbers=numbers)), run(*rows))
    assert "| difference | 0.25, not finite |" in page
    assert "| loss | `1.5` |" in page
    assert "| passing | `1 of 2` |" in page
    assert "| absent | not measured |" in page


def test_the_shipped_claims_are_tested_by_scenarios_that_exist() -> None:
    shipped = {one.id: one for case in loading.load_claims(ROOT / "scenarios/claims.yaml").cases for one in case.claims}
    scenarios, _ = loading.discover([ROOT / "scenarios"])
    cells = [cell for known in scenarios for cell in known.cells]
    for one in shipped.values():
        for glob in claims.globs(one):
            assert any(matches(cell, glob) for cell in cells), f"{one.id}: no cell is meant by {glob}"
    for known in scenarios:
        for id in known.claims:
            globs = claims.globs(shipped[id])
            assert any(matches(cell, glob) for cell in known.cells for glob in globs), f"{known.id} measures {id}"


def test_the_shipped_page_is_that_of_the_published_run() -> None:
    published = ROOT / "reports/latest.json"
    if not published.exists():
        pytest.skip("there is no published run yet")
    page = reporting.claims(ROOT / "scenarios/claims.yaml", published)
    shipped = (ROOT / "docs/claims.md").read_text(encoding="utf-8")
    assert _undated(shipped) == _undated(page), "write it anew: compatmatrix claims"


def _undated(page: str) -> list[str]:
    """The page without the line that names the run: another run that says the same makes no difference."""
    return [line for line in page.splitlines() if not line.startswith("Run `")]


def test_without_a_run_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such file"):
        reporting.claims(ROOT / "scenarios/claims.yaml", tmp_path / "latest.json")
