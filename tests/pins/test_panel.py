"""The panel in the page, in headless Chromium: it answers as the command does."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from compatmatrix.errors import Exit
from compatmatrix.pins import Accepted, Advice, Prefer, Rejected, advise, files, needs
from compatmatrix.pins.evidence import Standing
from compatmatrix.pins.telling import counted, sentence
from compatmatrix.report import html, pin_panel, render
from compatmatrix.report.context import build
from compatmatrix.results import Run
from tests.pins.making import column, gone, run, substitute
from tests.report import factory

pytestmark = pytest.mark.browser

sync_api = pytest.importorskip("playwright.sync_api", reason="needs the Python package playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
COMMIT = "1c0f782fe5f983727ff245c4c1b3906f9b99eec2"
LIMIT = 30_000
"""Bytes that the panel may add to the page of a run of the published size."""


def a_run(seed: int) -> Run:
    """Columns of every kind; what a scenario does in one is mostly what it does in the next."""
    choose = random.Random(seed)
    columns = [
        column("4.36.2"),
        column("4.46.3"),
        substitute("4.50.dev", "4.50.0"),
        column("4.51.dev", "4.51.0.dev0", f"transformers @ git+https://github.com/huggingface/transformers@{COMMIT}"),
        column("5.0.0"),
        column("5.23.0"),
        gone("main"),
    ]
    cells = {}
    for family in ("llama", "gemma3", "mini-gemini"):
        for name in ("plain", "auto", "disk", "generate"):
            letters = [choose.choice("pppppps")] * 6
            for label in ("[a]", "[b,c]") if name != "plain" else ("",):
                row = [choose.choice("ppppppkfwuns~") if choose.random() < 0.35 else letter for letter in letters]
                cells[f"{family}/{name}{label}"] = "".join(row) + "e"
    cells |= {"oneke/script": "ffkfffe", "oneke/cards": "sssssse", "oneke/plain": "ppppppe"}
    return run(columns, cells)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium, for example Debian's package of that name")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    page = browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text))
    yield page
    page.close()
    assert not errors


def written(one: Run, folder: Path) -> str:
    path = folder / "index.html"
    path.write_text(render.pages(build(one))["index.html"], encoding="utf-8")
    return path.as_uri()


def ask(page: Any, globs: Sequence[str], prefer: Prefer, accept: bool) -> None:
    """Tick and choose by the address, as a permalink does."""
    values = [
        f"need={','.join(globs)}",
        *(["prefer=oldest"] if prefer is Prefer.OLDEST else []),
        *(["known=accept"] if accept else []),
    ]
    page.evaluate("hash => { location.hash = hash; }", "pins?" + "&".join(values))
    page.wait_for_function(
        "command => document.querySelector('#pin-answer .cmd')?.textContent.startsWith(command)",
        arg="compatmatrix pin " + " ".join(f"--need {glob}" for glob in globs)
        + (" --prefer oldest" if prefer is Prefer.OLDEST else "") + (" --allow-known" if accept else " --output"),
    )  # fmt: skip


def shown(page: Any) -> dict[str, Any]:
    return page.evaluate(  # type: ignore[no-any-return]
        """() => {
          const texts = (root, what) => [...root.querySelectorAll(what)].map((one) => one.textContent);
          const part = (title) => {
            const heads = [...document.querySelectorAll("#pin-answer > h3")];
            const head = heads.find((one) => one.textContent.startsWith(title));
            return head ? texts(head.nextElementSibling, "li") : [];
          };
          return {
            sentence: document.querySelector(".pin-sentence").textContent,
            environments: [...document.querySelectorAll(".pin-one")].map((one) => [
              one.querySelector("h3").textContent, texts(one, ":scope > ul > li").slice(0), texts(one, "pre")]),
            ruled: part("Ruled out"), open: part("Not shown"), unserved: part("Served by no"),
            gaps: texts(document.querySelector("#pin-answer > details"), "li"),
          };
        }"""
    )


def rejected(one: Rejected, count: int) -> str:
    why = "nothing passed: every cell was skipped"
    if one.blockers:
        first = one.blockers[0]
        outcome = "flaky" if first.flaky and first.standing is Standing.OPEN else first.outcome.value
        why = f"{first.cell} {outcome}" + (f", known issue {first.known}" if first.known else "")
    more = len(one.blockers) - 1
    rest = f"; and {more} more cell{'s' if more > 1 else ''}" if more > 0 else ""
    fails = f" (fails {', '.join(one.needs)})" if len(one.needs) < count else ""
    return f"{one.candidate.label}: {why}{rest}{fails}"


def compare(found: dict[str, Any], advice: Advice) -> None:
    assert found["sentence"] == sentence(advice)
    assert [each[0] for each in found["environments"]] == [each.candidate.requirement for each in advice.environments]
    for (_, lines, pres), environment in zip(found["environments"], advice.environments, strict=True):
        served = [f"serves {each.need.glob}, {counted(each)}" for each in environment.evidence]
        assert lines[: len(served)] == served
        assert (environment.candidate.note in lines) is bool(environment.candidate.note)
        numbers = files.releases(environment.admissible, advice.tested)
        admissible = [line for line in lines if line.startswith("tested and admissible")]
        told = f"tested and admissible: {files.one_of(numbers)}"
        assert admissible == ([told] if len(numbers) > 1 else [])
        span, gaps = files.span(advice.tested, environment.admissible)
        ranges = [line for line in lines if line.startswith("as a range")]
        untested = ", ".join(f"{below} < version < {above}" for below, above in gaps)
        assert ranges == ([f"as a range {span} takes in what was not tested: {untested}"] if span else [])
        assert json.loads(pres[-1]) == json.loads(files.renovate(advice, environment))
    count = len(advice.needs)
    assert found["ruled"] == [rejected(each, count) for each in advice.rejected if each.ruled_out]
    assert found["open"] == [rejected(each, count) for each in advice.rejected if not each.ruled_out]
    closest = [
        f"{each.need.glob}: closest is {each.closest.label}, {counted(each.evidence)}"
        for each in advice.unserved
        if each.closest and each.evidence
    ]
    assert found["unserved"] == closest
    assert [line.split(":")[0] for line in found["gaps"]] == [
        *(each.version for each in advice.no_evidence),
        "other versions",
    ]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_panel_answers_as_the_command_does(page: Any, tmp_path: Path, seed: int) -> None:
    one, choose = a_run(seed), random.Random(seed)
    page.goto(written(one, tmp_path))
    seen = set()
    for _ in range(40):
        globs = []
        for family in dict.fromkeys(scenario.family for scenario in one.scenarios):
            own = [scenario.id for scenario in one.scenarios if scenario.family == family]
            globs += [family] if choose.random() < 0.15 else [id for id in own if choose.random() < 0.25]
        prefer, accept = choose.choice(list(Prefer)), choose.random() < 0.4
        if not globs:
            continue
        ask(page, globs, prefer, accept)
        advice = advise(one, needs(one, globs), prefer=prefer, accept=Accepted(globs=("*",)) if accept else Accepted())
        compare(shown(page), advice)
        seen.add((advice.exit, len(advice.environments)))
    assert {status for status, _ in seen} >= {Exit.OK, Exit.UNSERVED}
    assert any(size > 1 for _, size in seen), "no case took several environments"


def test_ticking_answers_and_the_address_keeps_the_question(page: Any, tmp_path: Path) -> None:
    page.goto(written(a_run(1), tmp_path))
    assert page.locator(".pin-sentence").count() == 0
    page.get_by_text("single scenarios of llama").click()
    page.locator("input[name=need][value='llama/plain']").focus()
    page.keyboard.press("Space")
    first = page.locator(".pin-sentence").inner_text()
    assert page.evaluate("decodeURIComponent(location.hash)") == "#?need=llama/plain"
    page.reload()
    assert page.locator(".pin-sentence").inner_text() == first
    page.locator("input[name=need][value=llama]").check()
    assert page.locator("input[name=need][value='llama/plain']").is_disabled()
    assert page.locator("#pin-answer .cmd").inner_text() == "compatmatrix pin --need llama --output pins"
    page.get_by_role("button", name="Untick all").click()
    page.wait_for_function("!document.querySelector('.pin-sentence')")
    assert "need" not in page.evaluate("location.hash")


def test_a_cell_that_rules_a_version_out_is_a_link_to_its_details(page: Any, tmp_path: Path) -> None:
    columns = [column("4.46.3"), column("5.0.0")]
    one = run(columns, {"llama/plain": "pf", "llama/auto[a,b]": "fp"})
    page_texts = render.pages(build(one))
    for name, text in page_texts.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    page.goto((tmp_path / "index.html").as_uri() + "#pins?need=llama")
    links = page.locator("#pin-answer li a[href^=details]").evaluate_all("all => all.map((one) => one.href)")
    for link, anchor in zip(links, ("plain@5.0.0", "[a,b]@4.46.3"), strict=True):
        page.goto(link)
        assert page.evaluate("document.querySelector(':target')?.id") == anchor


def test_without_javascript_the_panel_names_the_command(browser: Any, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(written(a_run(1), tmp_path))
    assert page.locator("#pin-plain").is_visible()
    assert "compatmatrix pin --need llama/plain" in page.locator("#pin-plain").inner_text()
    assert not page.locator("#pin-form").is_visible()
    context.close()


def test_hostile_names_stay_text(page: Any, tmp_path: Path) -> None:
    evil = "x/<img src=x onerror=alert(1)></script><script>alert(2)</script>"
    one = run([column("5.0.0")], {"llama/plain": "p", evil: "f"})
    page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    page.goto(written(one, tmp_path))
    page.locator("input[name=need]").last.evaluate("box => box.click()")
    assert page.locator("#pins img").count() == 0
    assert "onerror" in page.locator("#pin-answer").inner_text()


@pytest.mark.parametrize("width", [1280, 360, 320])
def test_the_panel_never_scrolls_sideways(browser: Any, tmp_path: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(written(a_run(1), tmp_path) + "#pins?need=llama/auto,gemma3/disk,mini-gemini/generate")
    page.wait_for_selector(".pin-sentence")
    for fold in page.locator("#pins details").all():
        fold.evaluate("fold => { fold.open = true; }")
    wide = page.evaluate(
        """() => [...document.querySelectorAll("#pins, #pins *")]
          .filter((one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest("pre"))
          .map((one) => one.outerHTML.slice(0, 80))"""
    )
    page.close()
    assert wide == []


def test_the_panel_is_small() -> None:
    published = Run.from_json((Path(__file__).parents[2] / "reports" / "latest.json").read_bytes())
    text = render.pages(build(published))["index.html"]
    start = text.index('<section id="pins"')
    section = text[start : text.index("</section>", start)]
    own = sum(len(html.asset(name).encode()) for name in ("pins.js", "pins.css"))
    assert len(section.encode()) + own < LIMIT


def test_many_versions_and_needs_are_answered_at_once(page: Any, tmp_path: Path) -> None:
    one = factory.big_run(120, 100, 1)
    assert len(pin_panel.panel(one).data["versions"]) == 120
    page.goto(written(one, tmp_path))
    ids = [scenario.id for scenario in one.scenarios[:25]]
    took = page.evaluate(
        """(ids) => {
          const boxes = [...document.querySelectorAll("input[name=need]")];
          for (const box of boxes) box.checked = ids.includes(box.value);
          const from = performance.now();
          document.getElementById("pin-form").dispatchEvent(new Event("input"));
          return performance.now() - from;
        }""",
        ids,
    )
    compare_to = advise(one, needs(one, ids))
    assert page.locator(".pin-sentence").inner_text() == sentence(compare_to)
    assert took < 3000


@pytest.mark.parametrize("letters", ["ppfp", "fpff", "pfpp", "pppp"])
def test_two_locks_of_one_number_are_told_apart_as_by_the_command(page: Any, tmp_path: Path, letters: str) -> None:
    other = column("4.2-other", "4.2", lock="transformers==4.2 --hash=sha256:1")
    one = run([column("4.1"), column("4.2"), other, column("5.0")], {"llama/plain": letters})
    page.goto(written(one, tmp_path))
    ask(page, ["llama/plain"], Prefer.NEWEST, False)
    compare(shown(page), advise(one, needs(one, ["llama/plain"])))
