"""The Chinese README says what the English one says: the same commands, table, outcomes and documents."""

import re
from pathlib import Path

import pytest

from compatmatrix.report import context, markdown
from compatmatrix.results import Outcome, Run

ROOT = Path(__file__).parents[2]
TEXTS = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")}
ENGLISH, CHINESE = TEXTS.values()


def _without_table(text: str) -> str:
    before, _, rest = text.partition(markdown.TABLE)
    return before + rest.partition(markdown.END)[2]


def _commands(text: str) -> list[str]:
    """The indented lines, without the remarks that are translated."""
    lines = [line.strip() for line in text.splitlines() if line.startswith("    ")]
    return [re.sub(r"\s+#.*", "", line) for line in lines]


def test_the_commands_are_the_same() -> None:
    assert _commands(CHINESE) == _commands(ENGLISH)
    assert any("nox -s matrix" in line for line in _commands(CHINESE))


def test_its_table_is_that_of_the_published_run() -> None:
    run = Run.from_json((ROOT / "reports" / "latest.json").read_bytes())
    text = markdown.insert(CHINESE, context.build(run))
    assert text == CHINESE, "accept the new one: compatmatrix readme README.zh-CN.md"


def test_it_names_the_same_outcomes_files_and_headings() -> None:
    english, chinese = map(_without_table, (ENGLISH, CHINESE))
    for outcome in Outcome:
        assert (f"`{outcome.value}`" in english, f"`{outcome.value}`" in chinese) == (True, True), outcome
    assert english.count("\n## ") == chinese.count("\n## ")
    files = [set(re.findall(r"\]\((?!README)([^)]+)\)", text)) for text in (english, chinese)]
    assert files[0] <= files[1], "a document that only the English one names"


@pytest.mark.parametrize(("text", "other"), [(ENGLISH, "README.zh-CN.md"), (CHINESE, "README.md")])
def test_each_leads_to_the_other(text: str, other: str) -> None:
    assert f"]({other})" in text.split("\n## ", maxsplit=1)[0]


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", CHINESE):
        assert (ROOT / target).exists(), target
