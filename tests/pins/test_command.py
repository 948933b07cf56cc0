"""`compatmatrix pin`, as it is called."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compatmatrix.results import Run
from tests.pins.making import column, gone, run, substitute

ROOT = Path(__file__).parents[2]
COLUMNS = [column("4.36.2"), column("4.46.3"), substitute("4.50.dev", "4.50.0"), gone("main")]
RUN = run(
    COLUMNS,
    {
        "llama/plain[a]": "pppe",
        "llama/plain[b]": "fppe",
        "llama/cards[cuda]": "ssse",
        "gemma3/text": "uupe",
        "mini/7b": "ppfe",
        "oneke/script": "fkfe",
    },
)


def pin(folder: Path, *arguments: str, one: Run = RUN) -> tuple[int, str, str]:
    """Exit status, output, errors; a command of its own, in an empty directory with only the run."""
    (folder / "reports").mkdir(exist_ok=True)
    (folder / "reports" / "latest.json").write_text(one.to_json(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "compatmatrix", "pin", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def told(folder: Path, *arguments: str) -> Any:
    return json.loads(pin(folder, *arguments, "--format", "json")[1])


def test_the_answer_comes_first_with_its_evidence_and_what_was_not_tested(tmp_path: Path) -> None:
    status, text, _ = pin(tmp_path, "--need", "llama/*")
    assert status == 0
    assert text.splitlines()[0] == (
        "Pin transformers==4.50.0: the newest of 2 tested versions that serve the need; 1 cell could not be tested."
    )
    for line in (
        "measured in the column 4.50.dev, which showed 4.50.0",
        "3 cells: 2 passed, 1 skipped",
        "1 cell skipped (needs cuda: there is none): llama/cards[cuda]",
        "transformers in {4.46.3, 4.50.0}",
        "transformers>=4.46.3,<=4.50.0  takes in what was not tested: 4.46.3 < version < 4.50.0",
        "4.36.2: llama/plain[b] fail: ValueError: meta",
        "4.50.dev: its own source could not be reached",
        "main: it has no environment",
        "4.36.2 < version < 4.46.3",
    ):
        assert line in text
    assert "4.50.dev\n" not in text.replace("column 4.50.dev", "")


def test_oldest_takes_the_oldest(tmp_path: Path) -> None:
    assert pin(tmp_path, "--need", "llama", "--prefer", "oldest")[1].startswith("Pin transformers==4.46.3: the oldest")


def test_several_environments_have_a_status_of_their_own(tmp_path: Path) -> None:
    status, text, _ = pin(tmp_path, "--need", "mini/7b", "--need", "gemma3")
    assert status == 7
    assert text.startswith(
        "No single version serves both needs: it takes 2 environments, transformers==4.50.0, transformers==4.46.3."
    )


def test_a_need_that_nothing_serves_has_one_too_and_its_closest_version(tmp_path: Path) -> None:
    status, text, _ = pin(tmp_path, "--need", "oneke", "--need", "gemma3")
    assert status == 8
    assert text.startswith("No tested version serves oneke; for the rest of the needs pin transformers==4.50.0.")
    assert "closest  4.50.0 (column 4.50.dev): 1 cell: 1 against it" in text


def test_accepted_risks_are_listed(tmp_path: Path) -> None:
    one = run([column("5.0")], {"oneke/script[a]": "p", "oneke/script[b]": "k"})
    status, text, _ = pin(tmp_path, "--need", "oneke", one=one)
    assert status == 8
    assert "each of these is a known issue" in text
    status, text, _ = pin(tmp_path, "--need", "oneke", "--allow-known", "an-issue", one=one)
    assert status == 0
    assert "with 1 accepted risk." in text
    assert "an-issue (1 cell, wrong; oneke/script[b])" in text


def test_strict_and_max_age_take_evidence_away(tmp_path: Path) -> None:
    assert pin(tmp_path, "--need", "llama", "--strict")[0] == 8
    assert pin(tmp_path, "--need", "llama", "--max-age", "36500")[0] == 0
    assert pin(tmp_path, "--need", "llama", "--max-age", "999999999")[0] == 2
    old = RUN.model_copy(update={"results": tuple(row.model_copy(update={"measured_at": None}) for row in RUN.results)})
    status, text, _ = pin(tmp_path, "--need", "gemma3", "--max-age", "36500", one=old)
    assert status == 8
    assert "older than --max-age allows" in text


def test_a_matrix_that_says_something_else_makes_columns_stale(tmp_path: Path) -> None:
    (tmp_path / "matrix.yaml").write_text(
        "python: '3.11'\nversions:\n  - id: '4.46.3'\n    sources:\n      - pypi: '4.46.3'\n", encoding="utf-8"
    )
    status, text, _ = pin(tmp_path, "--need", "llama")
    assert status == 8
    assert "stale: matrix.yaml says something else" in text
    assert "stale: matrix.yaml does not name it any more" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--need", "lama/*"], "no scenario or cell of the run matches 'lama/*'"),
        (["--need", "llama", "--allow-known", "an-isue"], "Did you mean 'an-issue'?"),
        ([], "Missing option '--need'"),
    ],
)
def test_what_cannot_be_meant_is_an_input_error(tmp_path: Path, arguments: list[str], message: str) -> None:
    status, _, errors = pin(tmp_path, *arguments)
    assert status == 2
    assert message in errors


def test_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    status, _, errors = pin(tmp_path, "--need", "llama", "--run", "nowhere.json")
    assert status == 6
    assert "nowhere.json" in errors and "--run" in errors


def test_the_files_are_written(tmp_path: Path) -> None:
    status, text, _ = pin(tmp_path, "--need", "llama", "--output", "pins")
    assert status == 0
    assert sorted(path.name for path in (tmp_path / "pins").iterdir()) == [
        "constraints.txt",
        "pyproject-lines.toml",
        "renovate.json",
    ]
    assert f"wrote {Path('pins') / 'constraints.txt'}" in text
    assert "transformers==4.50.0" in (tmp_path / "pins" / "constraints.txt").read_text(encoding="utf-8")


def test_json_tells_the_same_and_every_blocker(tmp_path: Path) -> None:
    found = told(tmp_path, "--need", "mini/7b", "--need", "gemma3")
    assert (found["schema"], found["status"], found["prefer"]) == (1, "environments", "newest")
    assert [(each["requirement"], [need["need"] for need in each["serves"]]) for each in found["environments"]] == [
        ("transformers==4.50.0", ["gemma3"]),
        ("transformers==4.46.3", ["mini/7b"]),
    ]
    by_version = {each["version"]: [cell["cell"] for cell in each["blockers"]] for each in found["ruled_out"]}
    assert by_version == {"4.50.0": ["mini/7b"], "4.46.3": ["gemma3/text"], "4.36.2": ["gemma3/text"]}
    assert found["not_tested"]["between"] == [["4.36.2", "4.46.3"], ["4.46.3", "4.50.0"]]
    assert told(tmp_path, "--need", "oneke")["status"] == "unserved"
    assert told(tmp_path, "--need", "llama")["status"] == "pin"


def test_hostile_text_does_not_reach_the_terminal(tmp_path: Path) -> None:
    row = RUN.result("4.36.2", "gemma3/text")
    worse = row.model_copy(update={"reason": "\x1b[31mred\u202e\nPin transformers==0: really"})
    hostile = RUN.model_copy(update={"results": tuple(worse if each is row else each for each in RUN.results)})
    text = pin(tmp_path, "--need", "gemma3", one=hostile)[1]
    assert "\x1b" not in text and "\u202e" not in text
    assert "\nPin transformers==0" not in text
