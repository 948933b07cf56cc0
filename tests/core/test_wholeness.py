"""Results are doubted where what they rest on has changed: the environment, the scenarios, the room on the disk."""

from __future__ import annotations

import os
import py_compile
import shutil
import time
from collections import namedtuple
from pathlib import Path

import pytest

from compatmatrix import wholeness
from compatmatrix.errors import CompatmatrixError, ScenarioError, StorageError
from compatmatrix.results import Outcome
from compatmatrix.stamps import forget_byte_code, stamps
from compatmatrix.wholeness import Ground, Installed, contents, damaged
from tests.core.factories import result

PASSED, FAILED = result(), result(outcome=Outcome.FAIL)


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Two packages; both bring ``shared.py``, and one has byte code in its list."""
    site = tmp_path / "environment" / "lib" / "python3.11" / "site-packages"
    for name, shared in (("one", "1"), ("two", "22")):
        (site / name).mkdir(parents=True)
        (site / name / "__init__.py").write_text("x = 1\n")
        (site / "shared.py").write_text(shared)
        record = f"{name}/__init__.py,sha256=x,6\nshared.py,sha256=x,{len(shared)}\n{name}-1.dist-info/RECORD,,\n"
        (site / f"{name}-1.dist-info").mkdir()
        (site / f"{name}-1.dist-info" / "RECORD").write_text(record + f"{name}/__pycache__/x.pyc,,\n")
    return tmp_path / "environment"


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour after the environment was made."""
    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 3600 * 10**9)


def test_a_whole_environment_is_whole_and_a_shared_file_no_damage(environment: Path) -> None:
    there = contents(environment)
    assert len(there) == 5
    assert (damaged(there), Installed(there).gone()) == ("", "")


def test_what_is_lost_or_cut_off_is_found(environment: Path) -> None:
    there = contents(environment)
    installed = Installed(there)
    (file,) = environment.rglob("one/__init__.py")
    file.write_text("x")
    assert (damaged(there), installed.gone()) == (str(file), "")
    file.unlink()
    assert (damaged(there), installed.gone()) == (str(file), str(file))


@pytest.mark.parametrize("lost", ["file", "put back", "package", "environment"])
@pytest.mark.usefixtures("later")
def test_what_is_lost_is_found_each_time_also_after_all_was_there(environment: Path, lost: str) -> None:
    installed = Installed(contents(environment))
    assert installed.gone() == ""
    (file,) = environment.rglob("two/__init__.py")
    if lost in ("file", "put back"):
        facts = file.parent.stat()
        file.unlink()
        if lost == "put back":
            os.utime(file.parent, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    else:
        shutil.rmtree(file.parent if lost == "package" else environment)
    for _ in range(2):
        assert installed.gone() == str(file) if lost != "environment" else installed.gone()


@pytest.mark.usefixtures("later")
def test_files_are_looked_for_again_where_their_directory_has_changed_only(
    environment: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = Installed(contents(environment))
    assert installed.gone() == ""
    (one,) = environment.rglob("one")
    looked: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: looked.append(path) or scandir(path))  # type: ignore[func-returns-value]
    assert installed.gone() == ""
    assert not looked
    (one / "__pycache__").mkdir()
    assert installed.gone() == ""
    assert looked == [str(one)]


@pytest.mark.usefixtures("later")
def test_a_link_is_followed_each_time(environment: Path, tmp_path: Path) -> None:
    (file,) = environment.rglob("one/__init__.py")
    there = contents(environment)
    elsewhere = file.rename(tmp_path / "cached")
    file.symlink_to(elsewhere)
    installed = Installed(there)
    assert installed.gone() == ""
    elsewhere.unlink()
    assert installed.gone() == str(file)


@pytest.mark.parametrize(("seconds", "seen"), [(0, True), (3600, False)])
def test_a_directory_that_has_just_changed_is_not_known_by_its_time(
    environment: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, seen: bool
) -> None:
    then = time.time_ns() - seconds * 10**9
    monkeypatch.setattr(wholeness, "_directory", lambda _: (then, then, 1))  # a clock that stands still
    installed = Installed(contents(environment))
    assert installed.gone() == ""
    (file,) = environment.rglob("one/__init__.py")
    file.unlink()
    assert bool(installed.gone()) is seen


def test_a_package_without_a_list_is_an_error(environment: Path) -> None:
    next(environment.rglob("RECORD")).unlink()
    with pytest.raises(OSError, match="RECORD"):
        contents(environment)


def test_a_red_cell_is_not_believed_when_a_part_of_its_environment_is_gone(environment: Path) -> None:
    ground = Ground(installed=Installed(contents(environment)), work=environment)
    assert ground.believed([PASSED, FAILED]) == ([PASSED, FAILED], None)
    assert ground.lost() is None
    shutil.rmtree(next(environment.rglob("two")))
    assert ground.believed([PASSED]) == ([PASSED], None)
    believed, lost = ground.believed([PASSED, FAILED, PASSED])
    assert believed == [PASSED, PASSED]
    assert "went while cells ran in it: __init__" in str(lost)


@pytest.mark.parametrize("how", ["edited", "new", "gone"])
def test_no_cell_is_believed_when_a_scenario_has_changed(tmp_path: Path, how: str) -> None:
    file = tmp_path / "family" / "load.py"
    file.parent.mkdir()
    file.write_text("x = 1\n")
    (tmp_path / "known_issues.yaml").write_text("issues: []\n")
    ground = Ground(installed=Installed({}), work=tmp_path, roots=(tmp_path,), sources=stamps((tmp_path,)))
    (tmp_path / "known_issues.yaml").write_text("issues: [x]\n")
    assert ground.believed([PASSED]) == ([PASSED], None)
    if how == "edited":
        file.write_text("x = 2\n")
    elif how == "new":
        file.with_name("new.py").touch()
    else:
        file.unlink()
    with pytest.raises(ScenarioError, match=r"written while cells ran; nothing was stored for llama/plain in"):
        ground.believed([PASSED])
    with pytest.raises(ScenarioError, match=r"nothing was stored for llama/plain and 1 more in"):
        ground.believed([PASSED, FAILED])


def test_a_red_cell_is_not_believed_when_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 10, 0))
    ground = Ground(installed=Installed({}), work=tmp_path)
    ground.room(PASSED)
    with pytest.raises(StorageError, match="no room on the disk") as caught:
        ground.room(FAILED)
    assert isinstance(caught.value, CompatmatrixError)
    assert caught.value.hint


@pytest.mark.parametrize(("later", "kept"), [(-3600, False), (1, False), (3600, True)])
def test_byte_code_that_may_be_of_another_text_is_removed(tmp_path: Path, later: float, kept: bool) -> None:
    file = tmp_path / "family" / "load.py"
    file.parent.mkdir()
    file.write_text("x = 1\n")
    compiled = Path(str(py_compile.compile(str(file), doraise=True)))
    other = compiled.with_name("gone.cpython-311.pyc")
    shutil.copy(compiled, other)
    long_ago = time.time() - 7200  # what an archive brings with it: only the inode tells when the file came
    os.utime(file, (long_ago, long_ago))
    written = file.stat().st_ctime + later
    os.utime(compiled, (written, written))
    forget_byte_code([tmp_path])
    assert compiled.exists() is kept
    assert other.exists(), "without a source it is nobody's"
