"""The files of a report: complete, self-contained, escaped, the same every time, and small."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from posixpath import dirname, join, normpath
from urllib.parse import unquote

import pytest
from rich.console import Console

from compatmatrix.errors import StorageError
from compatmatrix.report import beside, publish, render, terminal
from compatmatrix.report.addresses import slug
from compatmatrix.report.context import build
from compatmatrix.report.display import OUTCOMES
from compatmatrix.report.markdown import code, summary
from compatmatrix.report.views.top import NewsCell, NewsItem
from compatmatrix.results import Check, Outcome, Run

from . import factory

HOSTILE = (
    "<script>alert(1)</script>\u202e\x1b[31m\x1b]0;title\x07`|@everyone https://user:secret@host hf_" + "a" * 30 + "\n"
)


class Reader(HTMLParser):
    """Collects what a browser would act on."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, attribute: str) -> list[str]:
        return [attrs[attribute] or "" for _, attrs in self.tags if attribute in attrs]


@pytest.fixture(scope="module")
def texts() -> dict[str, str]:
    return render.files(factory.small_run(), before=factory.before_small_run(), ledger=factory.LEDGER)


def hostile_run() -> Run:
    cell = "llama/hostile[a]"
    rows = [
        factory.failed(
            cell,
            column.version,
            HOSTILE,
            failure={"type": HOSTILE, "message": HOSTILE, "traceback": HOSTILE * 20_000, "step": HOSTILE},
            log=HOSTILE * 1000,
            warnings=[HOSTILE],
            signature=HOSTILE,
            fingerprint={HOSTILE: HOSTILE},
        )
        for column in factory.COLUMNS[:2]
    ]
    scenario = factory.scenario("llama/hostile", ("[a]",), title=HOSTILE, doc=HOSTILE, claims=(HOSTILE,))
    column = factory.failed_column("main")
    assert column.failure
    broken = column.model_copy(
        update={"failure": column.failure.model_copy(update={"message": HOSTILE, "log": HOSTILE})}
    )
    rows.append(factory.plain(cell, "main", Outcome.ENV_FAIL, HOSTILE))
    return factory.run([scenario], rows, [*factory.COLUMNS[:2], broken])


def test_two_renders_are_byte_identical(texts: dict[str, str]) -> None:
    again = Run.from_json(factory.small_run().to_json())
    assert render.files(again, before=factory.before_small_run(), ledger=factory.LEDGER) == texts


@pytest.mark.parametrize("name", ["index.html", "details/llama.auto-model.html"])
def test_a_page_needs_nothing_from_elsewhere(texts: dict[str, str], name: str) -> None:
    page = Reader(texts[name])
    assert not [tag for tag, _ in page.tags if tag in ("link", "img", "iframe", "object", "embed", "base")]
    assert not page.all("src")
    assert not page.all("style"), "inline styles are forbidden by the page's own policy"
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    policy = next(attrs["content"] or "" for _, attrs in page.tags if "http-equiv" in attrs)
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert ("script" in policy) == (name == "index.html"), "details need no script, and allow none"


@pytest.mark.parametrize("run", [factory.small_run(), factory.big_run(3, 6, 12)], ids=["small", "big"])
def test_every_link_leads_somewhere(run: Run) -> None:
    texts = render.files(run, before=factory.before_small_run(), ledger=factory.LEDGER)
    html = {path: Reader(text) for path, text in texts.items() if path.endswith(".html")}
    assert len(html) == len(run.scenarios) + 1
    for path, page in html.items():
        ids = page.all("id")
        assert len(ids) == len(set(ids))
        for href in page.all("href"):
            if href.startswith("https://github.com/"):
                continue
            file, _, fragment = href.partition("#")
            fragment = fragment.rpartition("?")[0] if "?run=" in fragment else fragment
            target = normpath(join(dirname(path), unquote(file))) if file else path
            assert target in texts, (path, href)
            assert not fragment or unquote(fragment) in html[target].all("id"), (path, href)
        assert "javascript:" not in texts[path]


def test_every_cell_has_a_link_to_its_details(texts: dict[str, str]) -> None:
    hrefs = {unquote(href) for href in Reader(texts["index.html"]).all("href")}
    run = factory.small_run()
    for scenario in run.scenarios:
        page, name = f"details/{scenario.id.replace('/', '.')}.html", scenario.id.rpartition("/")[2]
        own = [variant.label or name for variant in scenario.variants]
        assert {f"{page}#{label}@{column.version}" for label in own for column in run.columns} <= hrefs


def test_tables_are_tables(texts: dict[str, str]) -> None:
    html = texts["index.html"]
    assert html.count("<caption") == html.count("<table")
    assert re.search(
        r'<th scope="col"[^>]*><a href="#column:4.50.dev">4.50.dev</a><span class="sub">⇄ shows 4.50.0', html
    )
    assert html.count("<h1") == 1
    assert '<html lang="en">' in html


def test_files_beside_only_where_there_is_something_to_tell(texts: dict[str, str]) -> None:
    red = [row for row in factory.small_run().results if row.outcome.red]
    beside = [path for path in texts if path.startswith("cells/")]
    assert len(red) == len(beside), "details tell everything of the others"
    some = texts["cells/4.46.3/" + slug("llama/auto-model[tied,auto]") + ".txt"]
    for part in ("Traceback", "ValueError", "Caused by", "again:", "compatmatrix run --versions 4.46.3 --fresh"):
        assert part in some
    assert texts["locks/4.46.3.txt"].count("--hash") == 3


def test_a_text_beside_the_page_is_bounded_whatever_fills_it() -> None:
    failed = next(row for row in factory.small_run().results if row.outcome.red)
    check = Check(name="n" * 80, measured=1, limit=0, detail="d" * 300)
    row = failed.model_copy(update={"checks": (check,) * 20_000, "steps": (("s" * 80, 1.0),) * 20_000})
    assert len(beside.cell_text(factory.column("4.46.3", "4.46.3"), row)) < 1_000_000


def test_a_file_that_says_the_same_already_is_left_alone(tmp_path: Path) -> None:
    publish.publish({"a.txt": "1", "b.txt": "1", "link.txt": "1"}, tmp_path)
    (tmp_path / "link.txt").rename(tmp_path / "elsewhere")
    (tmp_path / "link.txt").symlink_to(tmp_path / "elsewhere")
    before = {path.name: path.lstat().st_ino for path in tmp_path.iterdir()}
    publish.publish({"a.txt": "1", "b.txt": "2", "link.txt": "1"}, tmp_path)
    after = {path.name: path.lstat().st_ino for path in tmp_path.iterdir()}
    assert (tmp_path / "b.txt").read_text(encoding="utf-8") == "2"
    assert not (tmp_path / "link.txt").is_symlink(), "what it leads to is somebody else's"
    assert {name for name in before if before[name] != after[name]} == {"b.txt", "link.txt"}


def test_json_is_the_run(texts: dict[str, str]) -> None:
    assert Run.from_json(texts["latest.json"]).to_json() == factory.small_run().to_json()
    assert json.loads(texts["latest.json"])["schema"] == 1


def test_hostile_text_stays_text() -> None:
    texts = render.files(hostile_run())
    pages = [text for path, text in texts.items() if path.endswith(".html")]
    running = [[tag for tag, own in Reader(html).tags if tag == "script" and "type" not in own] for html in pages]
    assert [len(found) for found in running] == [0, 1]
    for path, text in texts.items():
        if path == "latest.json":
            continue  # the run as it is; what is stored was cleaned when it was captured
        assert "\u202e" not in text, path
        assert "\x1b" not in text, path
        assert "user:secret" not in text, path
        assert "hf_aaa" not in text, path
    for html in pages:
        assert len(html) < 150_000, "a traceback of two megabytes is cut"
        assert "<script>alert" not in html
    assert all("<script>" in span or "<script>" not in span for span in re.findall(r"`[^`]*`", texts["summary.md"]))
    outside = re.sub(r"(`+) ?.*? ?\1", "", texts["summary.md"])
    assert "<script>" not in outside
    assert "@everyone" not in outside


@pytest.mark.parametrize("width", [60, 200])
def test_hostile_text_steers_no_terminal(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system="truecolor", highlight=False)
    terminal.show(hostile_run(), console=console)
    assert isinstance(console.file, io.StringIO)
    shown = re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue())  # colours are rich's own
    assert not [character for character in shown if character != "\n" and not character.isprintable()]
    for secret in ("user:secret", "hf_aaa"):
        assert secret not in shown
    assert "<script>alert(1)</script>" in shown


def test_code_spans_hold() -> None:
    assert code("a`b") == "``a`b``"
    assert code("`a") == "`` `a ``"
    assert code("a|b\nc") == "`a\\|b c`"
    assert code("") == ""


@pytest.mark.parametrize("shape", [(5, 12, 10), (5, 55, 10), (8, 30, 5), (5, 4, 150)])
def test_pages_stay_below_a_megabyte(shape: tuple[int, int, int]) -> None:
    texts = render.files(factory.big_run(*shape))
    assert len(texts["index.html"].encode()) < 800_000
    assert max(len(text.encode()) for path, text in texts.items() if path.startswith("details/")) < 1_000_000


def test_writing_replaces_and_leaves_others_alone(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "kept").write_text("x")
    (tmp_path / "cells" / "9.9").mkdir(parents=True)
    (tmp_path / "cells" / "9.9" / "stale.txt").write_text("x")
    (tmp_path / "details").mkdir()
    (tmp_path / "details" / "stale.html").write_text("x")
    assert render.write(factory.small_run(), tmp_path) == tmp_path / "index.html"
    render.write(factory.small_run(), tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"runs", "cells", "details", "locks", "index.html", "latest.json", "latest.csv", "summary.md"} | {
        "junit.xml"
    }
    assert not (tmp_path / "cells" / "9.9").exists()
    assert not (tmp_path / "details" / "stale.html").exists()
    assert (tmp_path / "runs" / "kept").read_text() == "x"


def test_a_failed_write_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    render.write(factory.small_run(), tmp_path)
    before = (tmp_path / "index.html").read_bytes()

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StorageError, match="No space left"):
        render.write(factory.big_run(2, 2, 2), tmp_path)
    assert (tmp_path / "index.html").read_bytes() == before
    assert (tmp_path / "cells").is_dir()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("after", [0, 1, 5, -1])
def test_a_report_that_is_killed_between_two_files_leaves_no_page_that_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    small, big = render.files(factory.small_run()), render.files(factory.big_run(2, 2, 3))
    publish.publish(small, tmp_path, render.FOLDERS)
    replace, done = Path.replace, list[Path]()

    def killed(self: Path, target: Path) -> Path:
        if len(done) == after % len(big):
            raise KeyboardInterrupt  # kill -9 would not even clear its directory away
        done.append(target)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        publish.publish(big, tmp_path, render.FOLDERS)
    assert (tmp_path / "index.html").read_text(encoding="utf-8") == small["index.html"]
    assert all((tmp_path / name).exists() for name in small), "the page that is still there speaks of them"
    monkeypatch.undo()
    (tmp_path / ".report-killed" / "new").mkdir(parents=True)
    publish.publish(big, tmp_path, render.FOLDERS)
    written = {path.relative_to(tmp_path).as_posix(): path for path in tmp_path.rglob("*") if path.is_file()}
    assert set(written) == set(big)
    assert all(path.read_text(encoding="utf-8") == big[name] for name, path in written.items())


def test_summary_tells_substitutes_and_fits_an_issue() -> None:
    text = summary(build(factory.big_run(5, 40, 10)))
    assert len(text) < 65_536
    assert "⇄ `4.50.dev` shows `4.50.0`" in summary(build(factory.small_run()))


@pytest.mark.parametrize("width", [40, 80, 140, 220])
def test_terminal(width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    terminal.show(factory.small_run(), Path("/a/long/path/to/the/report/that/must/not/be/broken/index.html"))
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert max(map(len, shown.splitlines())) <= max(width, 80)
    for text in ("⇄ 4.50.0", "main", "≠ 1 wrong", "3 cells regressed", "be/broken/index.html"):
        assert text in shown


def test_the_terminal_counts_what_it_leaves_out() -> None:
    cells = tuple(NewsCell(f"[{name}]", "#", None, OUTCOMES[Outcome.FAIL]) for name in "abcd")
    told = terminal._told(NewsItem("llama/plain", "llama.plain.html", "main", cells, 5)).plain
    assert told.startswith("llama/plain [a] [b] [c] and 6 more")
