"""Bisections end to end: tiny releases, a companion, and a local repository with planted breakages."""

from __future__ import annotations

from pathlib import Path

import pytest

from compatmatrix.errors import Exit
from tests.e2e.conftest import Project
from tests.e2e.packages import behaviours
from tests.environment.packages import commit, git, source_tree
from tests.wheels import write_wheel

CELL = "tiny/load[mapped]"


@pytest.fixture
def project(project: Project) -> Project:
    project.write_matrix([{"id": "1.0.0", "sources": [{"pypi": "1.0.0"}]}])
    return project


def bisect(project: Project, *options: str, status: int = 0) -> str:
    found, output = project.run("compatmatrix", "bisect", CELL, *options)
    assert found == status, output
    assert "Traceback" not in output
    return output


def history(folder: Path, *kinds: str) -> list[str]:
    """A repository with a commit for each kind, the first tagged v1.0.0 and the last v1.0.1; the commits."""
    made = []
    for number, kind in enumerate(kinds):
        source_tree(folder, f"1.0.1.dev{number}")
        body = {"good": "return 7", "unbuildable": "return 7"}.get(kind, "return 7 if how == 'plain' else 8")
        (folder / "BROKEN").unlink(missing_ok=True)
        text = behaviours.TEMPLATE.format(version=f"1.0.1.dev{number}", body=body)
        if not (folder / ".git").exists():
            commit(folder, "0")
        source_tree(folder, f"1.0.1.dev{number}", broken=kind == "unbuildable")
        (folder / "transformers.py").write_text(text)
        git(folder, "add", "-A")
        git(folder, "commit", "-q", "-m", f"{number}: {kind}")
        made.append(git(folder, "rev-parse", "HEAD"))
    git(folder, "tag", "v1.0.0", made[0])
    git(folder, "tag", "v1.0.1", made[-1])
    return made


def test_the_first_bad_release(project: Project) -> None:
    output = bisect(project, "--good", "1.0.0", "--bad", "1.0.2", "--no-commits")
    assert "first bad: 1.0.1\n  good: 1.0.0  pass" in output
    assert "bad:  1.0.1  wrong" in output
    assert "packages that differ: transformers 1.0.0 → 1.0.1" in output
    assert "see it: compatmatrix sweep '==1.0.1' --cells 'tiny/load[mapped]' --fresh" in output
    output = bisect(project, "--good", "1.0.0", "--bad", "1.0.2", "--no-commits")
    assert output.count("known") == 3, "the second time nothing is run"
    output = bisect(project, "--bad", "1.0.2", "--no-commits")
    assert "going back in growing steps" in output
    assert "first bad: 1.0.1" in output


def test_commits_that_cannot_be_built_are_neither_good_nor_bad(project: Project, tmp_path: Path) -> None:
    made = history(tmp_path / "upstream", "good", "good", "unbuildable", "bad", "bad")
    url = (tmp_path / "upstream").as_uri()
    output = bisect(project, "--good", "1.0.0", "--bad", "1.0.1", "--git", url)
    assert f"first bad: {made[3][:12]}, or one of {made[2][:12]}, which gave no answer" in output
    assert f"good: {made[1][:12]}  pass" in output
    assert f"{made[3]}  3: bad" in output
    assert f"{made[2]}  2: unbuildable" in output


def test_a_history_that_is_not_monotone(project: Project, tmp_path: Path) -> None:
    made = history(tmp_path / "upstream", "good", "bad", "good", "good", "bad")
    output = bisect(project, "--good", "1.0.0", "--bad", "1.0.1", "--git", (tmp_path / "upstream").as_uri())
    assert f"first bad: {made[4][:12]}" in output
    assert "not measured between the ends: 1 of 5; each may be another change" in output


def test_a_repository_out_of_reach_leaves_the_release(project: Project, tmp_path: Path) -> None:
    output = bisect(project, "--good", "1.0.0", "--bad", "1.0.1", "--git", (tmp_path / "gone").as_uri())
    assert "first bad: 1.0.1" in output
    assert "commits: " in output
    assert "cannot be reached" in output


def test_over_a_companion_at_a_fixed_transformers(project: Project, index: Path, tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    for version, value in (("1.1.0", 7), ("1.2.0", 8), ("1.3.0", 8)):
        write_wheel(
            more, "accelerate", version, {"accelerate/__init__.py": f"__version__ = {version!r}\nVALUE = {value}\n"}
        )
    body = "import accelerate; return getattr(accelerate, 'VALUE', 7)"
    text = behaviours.TEMPLATE.format(version="1.4.0", body=body)
    write_wheel(more, "transformers", "1.4.0", {"transformers/__init__.py": text})
    project.environ["PIP_FIND_LINKS"] = f"{index} {more}"
    output = bisect(project, "--over", "accelerate", "--at", "1.4.0", "--good", "1.0.0", "--bad", "1.3.0")
    assert "first bad: accelerate 1.2.0\n  good: accelerate 1.1.0  pass" in output
    assert "packages that differ: accelerate 1.1.0 → 1.2.0" in output
    assert "--over accelerate --at 1.4.0 --good 1.1.0 --bad 1.2.0 --fresh" in output


#: One project for all of them: an environment is made once.
@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, index: Path) -> Project:
    found = Project(tmp_path_factory.mktemp("shared"), index)
    found.write_matrix([{"id": "1.0.0", "sources": [{"pypi": "1.0.0"}]}])
    return found


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--over", "nosuch", "--at", "1.0.0", "--bad", "1.0.1"), "the index has no package nosuch"),
        (("--good", "1.0.0", "--bad", "1.0.7"), "both ends do the same"),
        (("--good", "1.0.1", "--bad", "1.0.0"), "exchange --good and --bad"),
        (("--good", "1.1.2", "--bad", "1.0.1"), "the good end gives no answer: env-fail: conflict"),
        (("--good", "7", "--bad", "1.0.1"), "the index has no release '7'"),
        (("--good", "x", "--bad", "1.0.1"), "'x' is not a release number"),
        (("--over", "accelerate", "--bad", "1.0.0"), "beside which transformers?"),
        (("--bad", "1.0.0"), "1.0.0 is pass, not red"),
    ],
)
def test_what_cannot_be_bisected_is_told(shared: Project, options: tuple[str, ...], told: str) -> None:
    output = bisect(shared, *options, "--no-commits", status=Exit.INPUT)
    assert told in output
    assert "unearth" not in output
    assert "Skipping" not in output


def test_one_cell_is_needed(project: Project) -> None:
    status, output = project.run("compatmatrix", "bisect", "tiny/load", "--bad", "1.0.1")
    assert status == Exit.INPUT
    assert "means 2 cells, and one is needed" in output
