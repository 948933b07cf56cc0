"""Where scenarios come from: one rule for files, directories and installed packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from compatmatrix import loading, pipeline, roots
from compatmatrix.errors import InputError, ScenarioError, StorageError
from tests.own.conftest import SCENARIO, write
from tests.wheels import write_wheel

ROOT = Path(__file__).parents[2]
STATE = Path(".compatmatrix")


def ids(*named: Path) -> list[str]:
    scenarios, _ = loading.discover(roots.gather(named, STATE))
    return [scenario.id for scenario in scenarios]


def refusal(*named: Path) -> str:
    with pytest.raises(ScenarioError) as caught:
        roots.gather(named, STATE)
    return str(caught.value)


def test_a_directory_of_families_stands_beside_the_first_root(here: Path) -> None:
    write(here / "mine" / "my_model" / "load.py")
    assert ids() == ["tiny/load"]
    assert ids(Path("mine")) == ["tiny/load", "my-model/load"]
    assert ids(Path("mine"), Path("mine"), Path("scenarios")) == ["tiny/load", "my-model/load"], (
        "named again is no other"
    )


def test_a_single_file_is_a_family_of_its_own_name(here: Path) -> None:
    file = write(here / "elsewhere" / "my_model.py")
    assert ids(Path("elsewhere/my_model.py")) == ["tiny/load", "my-model/load"]
    (_, root) = roots.gather([file], STATE)
    (link,) = roots.files(root)
    assert link.read_text() == SCENARIO
    file.write_text(SCENARIO.replace("def load", "def other"))
    assert ids(file) == ["tiny/load", "my-model/other"], "it is the file itself, not a copy of what it was"


def test_columns_that_run_at_once_share_the_root_of_a_single_file(here: Path) -> None:
    file = write(here / "my_model.py")
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: roots.gather([file], STATE), range(40)))) == 1


def test_without_scenarios_here_the_shipped_ones_are_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert roots.gather([], STATE) == (ROOT / "scenarios",)


def test_the_process_of_a_column_has_the_roots_that_it_is_told(
    here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any directory: there the shipped scenarios would come first, with a family that is here, too."""
    write(here / "scenarios" / "llama" / "load.py")
    sent = roots.gather([write(here / "my_model.py")], STATE)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ScenarioError, match="the family 'llama' is also in"):
        roots.gather(sent, STATE)
    monkeypatch.setenv(roots.ALL_NAMED, "1")
    assert roots.gather(sent, STATE) == sent


def test_known_issues_of_every_root_count(here: Path) -> None:
    issue = "{id: %s, title: a title, cells: ['*'], versions: '==1', outcome: fail, cause: a cause, review: 2030-01-01}"
    write(here / "scenarios" / "known_issues.yaml", f"issues: [{issue % 'one'}]")
    write(here / "mine" / "my_model" / "load.py")
    write(here / "mine" / "known_issues.yaml", f"issues: [{issue % 'two'}]")
    where = roots.gather([Path("mine")], STATE)
    assert [each.id for each in loading.load_ledgers(where).issues] == ["one", "two"]
    write(here / "mine" / "known_issues.yaml", f"issues: [{issue % 'one'}]")
    with pytest.raises(InputError, match="the known issue 'one' is in two of them"):
        loading.load_ledgers(where)


def test_what_cannot_be_a_root_is_told(here: Path) -> None:
    assert refusal(Path("nowhere")).startswith("nowhere: there is no such file or directory\n  next: name a scenario")
    (here / "empty").mkdir()
    assert refusal(Path("empty")) == (
        "empty: no scenario file is in it\n  next: a family is a directory with files in it, such as my_model/load.py; "
        "or name the file itself: --scenarios empty/my_model.py"
    )
    write(here / "flat" / "my_model.py")
    told = refusal(Path("flat"))
    assert told.startswith("flat/my_model.py: it is in no family\n")
    assert told.endswith("--scenarios flat/my_model.py")
    write(here / "notes.txt")
    assert refusal(Path("notes.txt")).startswith("notes.txt: a scenario file is a Python file, and its name")
    for name in ("_helper.py", "common.py", "my model.py"):
        write(here / name)
        assert "its name the name of its family" in refusal(Path(name))
    write(here / "odd" / "my model" / "load.py")
    assert refusal(Path("odd")).startswith("odd/my model: 'my model' cannot be the name of a family\n  next: rename it")


def test_two_families_of_one_name_are_told_with_both_places(here: Path) -> None:
    write(here / "mine" / "tiny" / "other.py")
    assert refusal(Path("mine")) == (
        "mine/tiny: the family 'tiny' is also in scenarios/tiny\n  next: rename one of the two: cells are named by "
        "their family"
    )
    write(here / "a" / "my_model.py")
    write(here / "b" / "my-model.py")
    assert refusal(Path("a/my_model.py"), Path("b/my-model.py")).startswith(
        "b/my-model.py: the family 'my-model' is also in a/my_model.py\n"
    )


def test_a_state_directory_that_cannot_be_written(here: Path) -> None:
    write(here / "my_model.py")
    write(here / "state", "a file")
    with pytest.raises(StorageError, match="make the state directory writable"):
        roots.gather([Path("my_model.py")], Path("state"))


# -- what is imported before the cells of all families


def basis(*named: str) -> str:
    return pipeline.load(matrix_file=Path("matrix.yaml"), scenario_roots=list(map(Path, named))).plan.basis


def test_further_roots_belong_to_all_keys_only_where_they_can_warm_up(here: Path) -> None:
    write(here / "matrix.yaml", 'python: "3.11"\nversions: [{id: "1.0", sources: [{pypi: "1.0"}]}]\n')
    write(here / "scenarios" / "tiny" / "__init__.py", 'WARM = ("json",)\n')
    write(here / "my_model.py")
    write(here / "mine" / "other" / "load.py")
    _, probe = loading.discover(roots.gather([], STATE))
    alone = json.dumps([probe, loading.judge_hash(), "fork"])
    assert basis() == basis("my_model.py") == basis("mine") == alone, "what was measured before is found again"
    write(here / "mine" / "other" / "__init__.py", 'WARM = ("scenarios_1.other._warm",)\n')
    helper = write(here / "mine" / "other" / "_warm.py", "ANSWER = 1\n")
    seen = [alone, basis("mine"), basis("my_model.py", "mine")]
    helper.write_text("ANSWER = 2\n")
    seen.append(basis("mine"))
    assert len(set(seen)) == 4
    shutil.copytree(here / "mine", here / "moved")
    assert basis("moved") == seen[-1], "where it lies says nothing"


# -- installed packages


def installed(directory: Path, files: Mapping[str, str], value: str) -> Path:
    """What an installer would have left of a package that offers scenarios."""
    wheel = write_wheel(directory, "acme", "1.0", dict(files))
    site = directory / "site"
    shutil.unpack_archive(wheel, site, "zip")
    write(site / "acme-1.0.dist-info" / "entry_points.txt", f"[{roots.GROUP}]\nacme = {value}\n")
    return site


def listed(here: Path, site: Path) -> tuple[int, str]:
    """``compatmatrix check`` and ``list`` where that package is installed."""
    write(here / "matrix.yaml", 'python: "3.11"\nversions: [{id: "1.0", sources: [{pypi: "1.0"}]}]\n')
    environ = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{site}"}
    command = [sys.executable, "-m", "compatmatrix", "list"]
    done = subprocess.run(command, cwd=here, env=environ, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("files", "value", "family"),
    [
        ({"acme/scenarios/my_model/load.py": SCENARIO}, "acme.scenarios", "my-model"),
        ({"acme/scenarios/__init__.py": "", "acme/scenarios/my_model/load.py": SCENARIO}, "acme.scenarios", "my-model"),
        ({"acme/my_model.py": SCENARIO}, "acme.my_model", "my-model"),
        ({"acme_scenarios.py": SCENARIO}, "acme_scenarios", "acme-scenarios"),
    ],
)
def test_an_installed_package_offers_scenarios_and_is_not_imported(
    here: Path, tmp_path: Path, files: dict[str, str], value: str, family: str
) -> None:
    site = installed(tmp_path, {"acme/__init__.py": "raise SystemExit('acme was imported')\n", **files}, value)
    status, output = listed(here, site)
    assert status == 0, output
    assert f"{family}/load[auto]" in output
    assert "tiny/load[auto]" in output


@pytest.mark.parametrize("value", ["acme.gone", "acme.scenarios.gone", "gone", "acme.my_model.gone"])
def test_an_offer_that_leads_nowhere_is_told_with_its_package(here: Path, tmp_path: Path, value: str) -> None:
    site = installed(tmp_path, {"acme/__init__.py": "", "acme/my_model.py": SCENARIO}, value)
    status, output = listed(here, site)
    assert status == 2
    assert output == (
        f"compatmatrix: acme: its entry point 'acme' offers scenarios in '{value}', which is not there\n"
        "  next: install acme again, or uninstall it\n"
    )
