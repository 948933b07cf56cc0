"""Nothing that a scenario or a library tells is stored or shown as it is: real runs that tell planted secrets."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import shutil
import sqlite3
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree as Tree

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.e2e.conftest import HERE, Project
from tests.wheels import write_wheel

#: What must be found nowhere: parts of what is told, all of them unlike anything else.
SECRETS = {
    "token": "hf_" + "pLaNtEd1" * 4,
    "other token": "ghp_" + "pLaNtEd2" * 4,
    "webhook": "T0PLANTED3/B0PLANTED3/pLaNtEd3",
    "signature": "pLaNtEd4%2Fabc",
    "password": "pLaNtEd5",
    "home": "planted6",
    "own home": "planted7",
    "host": "planted-host-8",
    "secret of the host": "plain looking pLaNtEd9",
    "asked for": "plain looking pLaNtEdA",
    "authorization": "pLaNtEdB0123456789",
}
MARKUP = "<img src=x onerror=alert(1)><marquee></script><script>alert(1)</script> ]]> & \" ' "
MARKUP += "[go](https://evil.example) @everyone **b** | `c` \\"
CONTROLS = "\x1b]0;owned\x07 \x1b[31m\x9b2J \x00\x08 \u202e\u200b"
FORBIDDEN = ["\x1b", "\x07", "\x00", "\x08", "\x9b", "\u202e", "\u200b", "&#27;", "&#x1b;"]
PLACES = "stdout stderr child warning logging step fact key value check detail wrong why skip evidence type cause"


#: What is run, and the exit status that comes of it.
COMMANDS = {
    "list": 0,
    "run": 3,
    "report": 3,
    "sweep ==1.0.0 --output reports/atlas": 0,
    "diff --versions 1.0.0 1.0.1": 3,
    "diff --versions 1.0.1 6.6.6 --format markdown": 5,
    "diff --versions 1.0.0 1.0.1 --format json": 3,
    "pin --need leaky/*": 8,
    "pin --need leaky/*prints* --format json": 0,
    "tracking --issues issues.json --output tracking": 0,
}


def planted(home: Path) -> str:
    """One line of everything, shaped as it is met."""
    return (
        f"=cmd() {SECRETS['token']} {SECRETS['other token']} https://hooks.slack.com/services/{SECRETS['webhook']} "
        f"https://x.blob.example/c?sv=1&sig={SECRETS['signature']} https://user:{SECRETS['password']}@host.example/x "
        f"/home/{SECRETS['home']}/models {home}/models {SECRETS['host']} {SECRETS['secret of the host']} "
        f"Authorization: token {SECRETS['authorization']} {MARKUP} {CONTROLS}"
    )


class Told(NamedTuple):
    """A project in which everything was run, and what each command printed."""

    project: Project
    printed: dict[str, str]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, index: Path) -> Told:
    directory = tmp_path_factory.mktemp("told")
    home, more, project = Path("/nowhere") / SECRETS["own home"], directory / "more", directory / "project"
    for each in (more, project):
        each.mkdir()
    made = Project(project, index)
    shutil.rmtree(project / "scenarios" / "tiny")
    (project / "scenarios" / "leaky").mkdir()
    source = (HERE / "leaky" / "tell.py").read_text(encoding="utf-8")
    (project / "scenarios" / "leaky" / "tell.py").write_text(
        source.replace("PLANTED  #", f"{planted(home)!r}  #"), "utf-8"
    )
    broken = f"import sys\nprint({planted(home)!r}, file=sys.stderr)\nraise ImportError({planted(home)!r})\n"
    write_wheel(more, "transformers", "6.6.6", {"transformers/__init__.py": broken})
    (more / "sitecustomize.py").write_text(f"import platform\nplatform.node = lambda: {SECRETS['host']!r}\n", "utf-8")
    made.environ.update(
        HOME=str(home),
        DEPLOY_TOKEN=SECRETS["secret of the host"],
        LC_ASKED=SECRETS["asked for"],
        PIP_FIND_LINKS=f"{index} {more}",
        PYTHONPATH=f"{more}:{made.environ['PYTHONPATH']}",
    )
    made.write_matrix([{"id": id, "sources": [{"pypi": id}]} for id in ("1.0.0", "1.0.1", "6.6.6")])
    (project / "issues.json").write_text("[]", "utf-8")
    printed: dict[str, str] = {}
    for command, expected in COMMANDS.items():
        status, printed[command] = made.run("compatmatrix", *command.split())
        assert status == expected, printed
    return Told(made, printed)


def strings(data: object) -> Iterator[str]:
    """Every text in JSON data."""
    if isinstance(data, dict):
        for key, value in data.items():
            yield key
            yield from strings(value)
    elif isinstance(data, list):
        for value in data:
            yield from strings(value)
    elif isinstance(data, str):
        yield data


def stored(project: Project) -> dict[str, str]:
    """Every file that a run leaves, and the texts in JSON and in the store, but for the environments."""
    folders = [project.directory / name for name in ("reports", "tracking", ".compatmatrix")]
    files = [path for folder in folders for path in folder.rglob("*")]
    found = {
        str(path.relative_to(project.directory)): path.read_bytes().decode("utf-8", "replace")
        for path in files
        if path.is_file() and "environments" not in path.parts
    }
    with sqlite3.connect(project.directory / ".compatmatrix" / "results.sqlite") as store:
        for table in ("results", "columns"):
            for row in store.execute(f"SELECT * FROM {table}").fetchall():
                found[f"{table} {row[0]}"] = "\n".join([*map(str, row), *strings(json.loads(row[-1]))])
    texts = {f"texts of {path}": text for path, text in found.items() if path.endswith(".json")}
    return found | {path: "\n".join(strings(json.loads(text))) for path, text in texts.items()}


def test_what_is_told_arrives(told: Told) -> None:
    """Else the other tests here would prove nothing."""
    latest = (told.project.directory / "reports" / "latest.json").read_text(encoding="utf-8")
    assert not [place for place in PLACES.split() if f"at-{place} " not in latest]
    outcomes = dict(
        zip([row.cell for row in told.project.latest().results], told.project.outcomes()["1.0.0"], strict=False)
    )
    assert outcomes == {
        "leaky/tell[raises]": "fail",
        "leaky/tell[wrong]": "wrong",
        "leaky/tell[skips]": "skipped",
        "leaky/tell[lacks]": "unsupported",
        "leaky/tell[dies]": "crash",
        "leaky/tell[prints]": "pass",
    }
    assert told.project.outcomes()["6.6.6"] == ["env-fail"] * 6
    kinds = {Path(name).suffix for name in stored(told.project)}
    assert {".html", ".json", ".csv", ".xml", ".md", ".txt", ".svg", ".sqlite"} <= kinds


@pytest.mark.parametrize("name", SECRETS)
def test_no_secret_is_stored_or_shown(told: Told, name: str) -> None:
    secret = SECRETS[name]
    found = [path for path, text in stored(told.project).items() if secret in text or secret in html.unescape(text)]
    assert not found
    assert not [command for command, text in told.printed.items() if secret in text]


def test_no_control_sequence_is_stored_or_shown(told: Told) -> None:
    texts = {path: text for path, text in stored(told.project).items() if ".sqlite" not in path}
    found = {(path, each) for path, text in texts.items() for each in FORBIDDEN if each in text.lower()}
    assert not found
    assert not [(command, each) for command, text in told.printed.items() for each in FORBIDDEN if each in text]


class Tags(HTMLParser):
    """The tags of a page and the names of their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, list[str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, [name for name, _ in attrs]))


def test_markup_is_text_in_every_page(told: Told) -> None:
    pages = {path: Tags(text).found for path, text in stored(told.project).items() if path.endswith((".html", ".svg"))}
    assert {"reports/index.html", "reports/details/leaky.tell.html", "reports/atlas/index.html"} < pages.keys()
    for path, tags in pages.items():
        assert not [tag for tag, _ in tags if tag in ("img", "marquee", "iframe")], path
        assert not [name for _, names in tags for name in names if name.startswith("on") or name == "style"], path
        assert len([tag for tag, _ in tags if tag == "script"]) == (3 if path == "reports/index.html" else 0), path


def test_xml_can_be_read_and_csv_runs_nothing(told: Told) -> None:
    for path, text in stored(told.project).items():
        if path.endswith((".xml", ".svg")):
            assert not [each.tag for each in Tree.fromstring(text).iter() if each.tag.endswith(("img", "script"))]
            inner = [each.text or "" for each in Tree.fromstring(text).iter() if each.get("type") == "html"]
            assert {tag for html_ in inner for tag, _ in Tags(html_).found} <= {"ul", "li", "p"}
        elif path.endswith(".csv"):
            rows = list(csv.reader(io.StringIO(text)))
            assert len(rows) > 6
            assert not [cell for row in rows for cell in row if re.match(r"\s*[=+@-]", cell)]


def test_markdown_shows_all_of_it_as_code(told: Told) -> None:
    texts = {path: text for path, text in stored(told.project).items() if path.endswith(".md") and text}
    texts |= {command: text for command, text in told.printed.items() if command.endswith("markdown")}
    assert len(texts) == 3
    for name, text in texts.items():
        assert "=cmd()" in text, name
        for token in inline(text):
            ours = token.type == "html_block" and token.content.startswith("<!-- compatmatrix-tracking")
            assert ours or token.type not in ("html_inline", "html_block", "link_open", "image"), (name, token)
            assert token.type == "code_inline" or not re.search("everyone|evil|onerror|cmd|http", token.content), (
                name,
                token,
            )


def inline(text: str) -> list[Token]:
    """The innermost tokens of a Markdown text, with HTML and tables as GitHub has them."""
    found = []
    for token in MarkdownIt("commonmark", {"html": True}).enable("table").parse(text):
        found += token.children or ([] if token.type == "inline" else [token])
    return found
