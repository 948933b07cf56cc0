"""What is printed: the sentence first, nothing cut off that is to be copied, nothing of the terminal's own."""

import dataclasses
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from compatmatrix.results import Run
from compatmatrix.trying import stages, telling
from compatmatrix.trying.answer import answer
from compatmatrix.trying.choose import Asked
from tests.pins import making
from tests.trying.test_answer import CLASS, CONFIG, DISK, GENERATE, LOAD, choice, columns


def told(path: str = "report/index.html") -> telling.Told:
    run: Run = making.run(columns(), {CONFIG: "ppppp", LOAD: "pwppp", GENERATE: "ppppp", DISK: "uspfp"})
    return telling.Told(
        answer=answer(run, choice()),
        run=run,
        checkpoint="模型 1",
        primary=CLASS,
        notes=("a note",),
        report=Path(path),
        pin=(Path("pin/constraints.txt"),),
        repro="compatmatrix try '模型 1' --fresh",
    )


def shown(width: int, **more: str) -> str:
    stream = io.StringIO()
    telling.show(told(**more), Console(file=stream, width=width, highlight=False))
    return stream.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120, 200])
def test_the_sentence_comes_first_and_whole(width: int) -> None:
    assert shown(width).splitlines()[0] == told().answer.sentence


def test_a_selection_shows_what_was_selected() -> None:
    one = told()
    rows = tuple(row for row in one.run.results if row.cell != DISK)
    one = dataclasses.replace(one, run=one.run.model_copy(update={"results": rows}))
    stream = io.StringIO()
    telling.show(one, Console(file=stream, width=200))
    assert "cpu+disk  " not in stream.getvalue()
    assert "generate" in stream.getvalue()


def test_every_cell_of_every_version_is_shown() -> None:
    text = shown(200)
    for word, count in (("pass", 16), ("wrong", 1), ("unsupported", 1), ("skipped", 1), ("fail", 1)):
        assert text.count(f" {word}") == count, word
    assert "plan cpu+disk " in text


def test_a_narrow_terminal_has_a_list_instead() -> None:
    lines = shown(40).splitlines()
    at = lines.index("4.39.0")
    assert lines[at + 1 : at + 4] == [
        "  ≠ wrong  load default",
        "  » skipped  plan cpu+disk",
        "  ✓ pass  config, generate default cached",
    ]


def test_paths_are_not_broken_over_lines() -> None:
    path = "/a/very/long/path/" + "x" * 100 + "/index.html"
    assert path in shown(60, path=path)


def test_substitutes_are_told() -> None:
    assert "⇄ main shows 5.23.0: the repository cannot be reached" in shown(120)


def test_what_the_checkpoint_is_called_is_no_markup() -> None:
    assert "[bold]x" in shown(120, path="[bold]x")


def test_the_same_for_programs() -> None:
    data = json.loads(json.dumps(telling.data(told())))
    assert data["answer"] == told().answer.sentence
    assert data["use"] == "transformers==5.23.0"
    assert [each["standing"] for each in data["versions"]] == ["partly", "wrong", "works", "partly", "works"]
    assert len(data["cells"]) == 20
    assert data["status"] == 0


def test_the_command_that_runs_a_cell_again() -> None:
    request = stages.Request(
        checkpoint="模型 1",
        asked=Asked(model_class="AutoModel", plans=("cpu", "auto"), trust=True),
        revision=None,
        versions=("4.46.3",),
        packages=("einops", "timm"),
        cells=(),
        memory=0,
        matrix_file=Path("matrix.yaml"),
        scenario_roots=(Path("scenarios"),),
        state=Path(".compatmatrix"),
        fresh=False,
        isolation="fork",
    )
    assert stages.again(request, "4.39.0", "given/plan[AutoModel,cpu]") == (
        "compatmatrix try '模型 1' --versions 4.39.0 --cells 'given/plan[AutoModel,cpu]' --class AutoModel "
        "--device-plan cpu,auto --trust-remote-code --with einops --with timm --fresh"
    )
