"""Each page's content security policy, in headless Chromium: what is smuggled into a page does nothing."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compatmatrix.report import atlas_page, render
from tests.sweep import factory as sweep_factory
from tests.sweep.factory import NOW

from . import factory
from .test_browser import CHROMIUM, FLAGS

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")

#: As if a text had not been escaped; each would leave a mark in the title, the style or the address.
SMUGGLED = """
<script>document.title = "owned"</script>
<script src="data:text/javascript,document.title='owned'"></script>
<script type="module">document.title = "owned"</script>
<img src="x" onerror="document.title = 'owned'">
<svg onload="document.title = 'owned'"></svg>
<iframe srcdoc="<script>top.document.title = 'owned'</script>"></iframe>
<p id="styled" style="position: fixed">x</p><style>#styled { visibility: hidden }</style>
<base href="EVIL/"><link rel="stylesheet" href="EVIL/x.css">
<form action="EVIL/"><button id="send">x</button></form>
<a id="go" href="javascript:void(document.title='owned')">x</a>
"""
PAGES = ("index.html", "details/llama.auto-model.html", "atlas/index.html")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium, for example Debian's package of that name")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


class Evil(http.server.ThreadingHTTPServer):
    """A server that counts what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Evil)
        self.server.asked.append(self.path)
        self.send_error(404)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the tests' output is for failures."""


@pytest.fixture(scope="module")
def evil() -> Iterator[Evil]:
    with Evil() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, evil: Evil) -> Path:
    """A report and an atlas; every page of interest has a copy with what is smuggled, and one without the policy."""
    path = tmp_path_factory.mktemp("report")
    render.write(factory.small_run(), path, before=factory.before_small_run(), ledger=factory.LEDGER)
    atlas_page.write(sweep_factory.small(), sweep_factory.small_flips(), path / "atlas", now=NOW)
    for name in PAGES:
        text = (path / name).read_text(encoding="utf-8")
        assert text.count("<main") == 1
        smuggled = text.replace("<main", SMUGGLED.replace("EVIL", evil.address) + "<main")
        (path / name).with_suffix(".smuggled.html").write_text(smuggled, encoding="utf-8")
        open_ = smuggled.replace('http-equiv="Content-Security-Policy"', 'name="none"')
        (path / name).with_suffix(".open.html").write_text(open_, encoding="utf-8")
    return path


def outcome(browser: Any, page_file: Path, evil: Evil) -> dict[str, Any]:
    """What became of the page after everything on it was clicked, and what it asked for elsewhere."""
    context = browser.new_context()
    page = context.new_page()
    evil.asked.clear()
    page.goto(page_file.as_uri())
    page.locator("#go").dispatch_event("click")
    styled = page.locator("#styled")
    found = {
        "owned": page.title() == "owned",
        "styled": styled.evaluate("e => getComputedStyle(e).position + getComputedStyle(e).visibility"),
        "base": page.evaluate("document.baseURI").startswith(evil.address),
    }
    page.locator("#send").dispatch_event("click")
    page.wait_for_timeout(200)
    found["asked"] = sorted(evil.asked)
    context.close()
    return found


@pytest.mark.parametrize("name", PAGES)
def test_what_is_smuggled_into_a_page_does_nothing(browser: Any, report: Path, evil: Evil, name: str) -> None:
    found = outcome(browser, (report / name).with_suffix(".smuggled.html"), evil)
    assert found == {"owned": False, "styled": "staticvisible", "base": False, "asked": []}


@pytest.mark.parametrize("name", PAGES)
def test_without_the_policy_it_would(browser: Any, report: Path, evil: Evil, name: str) -> None:
    """Else the test above would prove nothing."""
    found = outcome(browser, (report / name).with_suffix(".open.html"), evil)
    assert found["asked"][:1] == ["/?"]
    assert "/x.css" in found["asked"]
    assert (found["owned"], found["styled"], found["base"]) == (True, "fixedhidden", True)


def test_the_page_itself_still_works(browser: Any, report: Path) -> None:
    context = browser.new_context()
    page, troubles = context.new_page(), []
    page.on("console", lambda message: troubles.append(message.text))
    page.goto((report / "index.html").as_uri())
    page.locator("#unfold").click()
    assert page.eval_on_selector_all("tr.v", "rows => rows.filter(r => r.offsetParent).length") > 5
    assert page.locator("table").first.evaluate("e => getComputedStyle(e).borderCollapse") in ("collapse", "separate")
    assert not troubles
    context.close()
