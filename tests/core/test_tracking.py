"""The tracking issue: moved by news and not by red, quiet where nothing changed, harmless whatever a cell wrote."""

import datetime
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from compatmatrix.cli import cli
from compatmatrix.errors import CompatmatrixError, InputError
from compatmatrix.ledger import Issue
from compatmatrix.report import context
from compatmatrix.report.markdown import summary
from compatmatrix.results import EnvFailure, EnvReason, News, Outcome, Run
from compatmatrix.tracking import LIMIT, TITLE, Act, Decision, Links, Open, decide, find, overdue
from tests.core.factories import column, result, scenario
from tests.report import factory

CELLS = ("[tied]", "[untied]")
LINKS = Links(page="https://example.org/matrix/", job="https://github.com/o/r/actions/runs/1")


def a_run(news: dict[str, News] | None = None, id: str = "20261121T101010Z-abcdef01", **more: Any) -> Run:
    """Two red cells in one column; what is news about them is given."""
    scenarios = (scenario("llama/plain", *CELLS),)
    rows = [result(f"llama/plain{label}", outcome=Outcome.FAIL) for label in CELLS]
    told = {"1.0": {f"llama/plain{label}": kind for label, kind in (news or {}).items()}}
    return factory.run(scenarios, rows, (column(),), id=id, news=told).model_copy(update=more)


def listing(decision: Decision, number: int = 7, **author: Any) -> str:
    """What gh says once the decision was carried out."""
    return json.dumps([{"number": number, "body": decision.body, "author": {"is_bot": True, **author}}])


def decided(run: Run, issue: Open | None = None, unmatched: tuple[Issue, ...] = ()) -> Decision:
    return decide(run, unmatched=unmatched, summary=summary(context.build(run)), issue=issue, links=LINKS)


def known_issue() -> Issue:
    given = {"cells": ("llama",), "versions": "", "outcome": "fail", "cause": "a cause", "review": "2027-01-01"}
    return Issue.model_validate({"id": "an-issue", "title": "a title", **given})


def opened(run: Run) -> Open:
    issue = find(listing(decided(run)))
    assert issue is not None
    return issue


def test_red_without_news_opens_nothing() -> None:
    assert decided(a_run()).act is Act.NONE
    assert decided(a_run({"[tied]": News.KNOWN, "[untied]": News.NONE})).act is Act.NONE


@pytest.mark.parametrize(
    ("kind", "title"),
    [
        (News.REGRESSED, "Matrix: 1 cell regressed"),
        (News.NEW, "Matrix: 1 cell red and unexplained"),
        (News.CHANGED, "Matrix: 1 cell with another behaviour"),
        (News.FIXED, "Matrix: 1 cell fixed"),
    ],
)
def test_every_kind_of_news_opens_it(kind: News, title: str) -> None:
    decision = decided(a_run({"[tied]": kind}))
    assert (decision.act, decision.title, decision.comment) == (Act.OPEN, title, "")
    assert "[the page](https://example.org/matrix/) · [the job](https://github.com/o/r/actions/runs/1)" in decision.body
    assert "`llama`" in decision.body


def test_a_known_issue_that_matches_nothing_is_news_too() -> None:
    decision = decided(a_run(), unmatched=(known_issue(),))
    assert (decision.act, decision.title) == (Act.OPEN, "Matrix: 1 known issue to look at again")
    assert "Known issue `an-issue`: nothing matches it any more" in decision.body


def test_the_same_run_again_does_nothing() -> None:
    run = a_run({"[tied]": News.NEW})
    assert decided(run, opened(run)).act is Act.NONE


def test_a_later_run_with_the_same_news_updates_it_without_calling_anyone() -> None:
    decision = decided(a_run({"[tied]": News.NEW}, id="later"), opened(a_run({"[tied]": News.NEW})))
    assert (decision.act, decision.number, decision.comment) == (Act.UPDATE, 7, "")
    assert "run=later" in decision.body


def test_other_news_are_told_in_a_comment() -> None:
    both = {"[tied]": News.NEW, "[untied]": News.REGRESSED}
    decision = decided(a_run(both, id="later"), opened(a_run({"[tied]": News.NEW})))
    assert decision.act is Act.UPDATE
    assert decision.comment.startswith("Run `later`: 1 cell regressed, 1 cell red and unexplained.\n")


def test_a_complete_run_without_news_closes_it() -> None:
    decision = decided(a_run(id="later"), opened(a_run({"[tied]": News.NEW})))
    assert (decision.act, decision.number) == (Act.CLOSE, 7)
    assert "`later` is complete and has no news" in decision.comment


@pytest.mark.parametrize("without", ["not-run", "environment"])
def test_a_run_that_is_not_complete_closes_nothing_and_opens_nothing(without: str) -> None:
    if without == "not-run":
        rows = [result(f"llama/plain{label}", outcome=Outcome.NOT_RUN) for label in CELLS]
        run = a_run(id="later", results=tuple(rows))
    else:
        failure = EnvFailure(reason=EnvReason.UNREACHABLE, message="`</code><b>@everyone")
        run = a_run(id="later", columns=(column(failure=failure),))
    assert decided(run).act is Act.NONE
    decision = decided(run, opened(a_run({"[tied]": News.NEW})))
    assert decision.act is Act.UPDATE
    assert "it is not complete" in decision.comment
    assert "stays open" in decision.body


def test_an_issue_is_ours_only_with_our_mark_and_written_by_a_program() -> None:
    decision = decided(a_run({"[tied]": News.NEW}))
    assert find("[]") is None
    assert find(listing(decision, is_bot=False)) is None
    assert find(json.dumps([{"number": 1, "body": None, "author": {"is_bot": True}}])) is None
    several = [{"number": number, "body": decision.body, "author": {"is_bot": True}} for number in (9, 4, 12)]
    found = find(json.dumps(several))
    assert found is not None
    assert found.number == 4
    for shape in ("{}", "3", "null", "nothing", '[{"number": 1}]', '[{"body": 3}]', "[[]]"):
        with pytest.raises(InputError, match="list of issues cannot be read"):
            find(shape)


def test_the_heartbeat_speaks_only_of_silence() -> None:
    run = a_run({"[tied]": News.NEW})

    def beat(days: float, issue: Open | None = None) -> Decision:
        now = run.finished + datetime.timedelta(days=days)
        return overdue(run, now=now, days=9, summary="", issue=issue, links=LINKS)

    assert beat(9).act is Act.NONE
    assert beat(9, opened(run)).act is Act.NONE
    late = beat(9.01)
    assert (late.act, late.title) == (Act.OPEN, f"Matrix: no run since {run.finished:%Y-%m-%d}")
    assert beat(11, find(listing(late))).act is Act.NONE
    told = beat(10, opened(run))
    assert told.act is Act.UPDATE
    assert "No run has been published" in told.comment
    assert decided(a_run(id="later"), find(listing(late))).act is Act.CLOSE


HOSTILE = "``` </code><script>alert(1)</script> @octocat #12 [x](javascript:alert(1)) | \x1b[31m\u202e <!-- -->"


def test_whatever_a_cell_wrote_is_harmless_in_the_issue() -> None:
    row = factory.failed("llama/plain[tied]", "1.0", HOSTILE, signature=HOSTILE)
    other = factory.failed("llama/plain[untied]", "1.0", HOSTILE)
    shown = column(failure=None, source=HOSTILE, transformers=HOSTILE)
    run = a_run({"[tied]": News.NEW}, results=(row, other), columns=(shown,))
    body = decided(run).body
    tokens = [
        token
        for block in MarkdownIt("commonmark").enable("table").parse(body)
        for token in [block, *(block.children or [])]
    ]
    html = [token.content for token in tokens if token.type.startswith("html")]
    assert [re.fullmatch(r"<!-- compatmatrix-tracking told=\w+ run=[\w-]+ -->\n?", text) for text in html] != [None]
    assert len(html) == 1
    links = [token.attrGet("href") for token in tokens if token.type == "link_open"]
    assert links == [LINKS.page, LINKS.job]
    text = "".join(token.content for token in tokens if token.type == "text")
    assert not re.search(r"[@#]\w", text)
    assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", body)


def test_a_body_never_exceeds_what_github_takes() -> None:
    run = a_run({"[tied]": News.NEW})
    huge = "| `a` |\n" * 100_000
    body = decide(run, unmatched=(known_issue(),), summary=huge, issue=None).body
    assert len(body) <= LIMIT
    assert find(json.dumps([{"number": 1, "body": body, "author": {"is_bot": True}}])) is not None
    assert body.count("`") % 2 == 0


@pytest.mark.parametrize("address", ["javascript:alert(1)", "https://x.org/)[y](z", "https://x.org/ y", "x.org"])
def test_an_address_is_one(address: str) -> None:
    with pytest.raises(InputError, match="not an address"):
        Links(page=address)


def test_a_title_is_as_short_as_github_wants_it_and_names_few_columns() -> None:
    failure = EnvFailure(reason=EnvReason.UNREACHABLE, message="gone")
    columns = tuple(column(f"version-{number:0100}", failure=failure) for number in range(9))
    decision = decide(
        a_run(id="later", columns=columns), unmatched=(), summary="", issue=opened(a_run({"[tied]": News.NEW}))
    )
    assert len(decision.title) <= TITLE < 256
    assert "and 4 more" in decision.body


@pytest.mark.parametrize(
    ("spoil", "message", "hint", "status"),
    [
        (lambda path: (path / "issues.json").write_bytes(b"\xff\xfe"), "issues.json", "gh issue list", 2),
        (lambda path: (path / "issues.json").unlink(), "issues.json", "gh issue list", 2),
        (lambda path: (path / "out").write_text("a file"), "out", "name a directory by --output", 6),
        (lambda path: (path / "latest.json").write_text("{}"), "id: Field required", "--run", 6),
    ],
)
def test_what_cannot_be_read_or_written_is_named(
    tmp_path: Path, spoil: Callable[[Path], object], message: str, hint: str, status: int
) -> None:
    (tmp_path / "issues.json").write_text("[]")
    (tmp_path / "latest.json").write_text(a_run().to_json())
    spoil(tmp_path)
    words = ["--issues", "issues.json", "--output", "out", "--run", "latest.json", "--ledger", "none.yaml"]
    given = [str(tmp_path / word) if index % 2 else word for index, word in enumerate(words)]
    with pytest.raises(CompatmatrixError) as error:
        CliRunner().invoke(cli, ["tracking", *given], standalone_mode=False, catch_exceptions=False)
    assert (message in error.value.message, hint in error.value.hint, error.value.exit) == (True, True, status)
