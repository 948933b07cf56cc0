"""One run lists its scenarios once; what was touched, and another run, is listed anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from compatmatrix import listings, loading
from compatmatrix.errors import ScenarioError
from compatmatrix.stamps import changed, forget_byte_code, stamps

FILE = """\
from compatprobe import Cell, scenario


@scenario(title="{title}")
def load(cell: Cell) -> None:
    cell.check("one", 1, 1)
"""


class Probe:
    """Counts how often the probe is asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.ask = listings.listing

    def __call__(self, where: Any) -> dict[str, Any]:
        self.asked += 1
        return self.ask(where)


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch) -> Probe:
    counted = Probe()
    monkeypatch.setattr(listings, "listing", counted)
    monkeypatch.setenv(listings.RUN, "one")
    return counted


@pytest.fixture
def root(tmp_path: Path) -> Path:
    family = tmp_path / "scenarios" / "tiny"
    family.mkdir(parents=True)
    (family.parent / "__init__.py").write_text("", encoding="utf-8")
    (family / "__init__.py").write_text("", encoding="utf-8")
    (family / "load.py").write_text(FILE.format(title="a"), encoding="utf-8")
    return family.parent


def titles(root: Path, shared: Path) -> list[str]:
    return [scenario.title for scenario in loading.discover([root], shared=shared)[0]]


def test_the_processes_of_a_run_list_once(probe: Probe, root: Path, tmp_path: Path) -> None:
    shared = tmp_path / "state" / "listing.json"
    first = loading.discover([root], shared=shared)
    assert loading.discover([root], shared=shared) == first
    assert probe.asked == 1
    assert [path.name for path in shared.parent.iterdir()] == ["listing.json"]


def test_another_run_lists_anew(probe: Probe, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "listing.json"
    titles(root, shared)
    monkeypatch.setenv(listings.RUN, "two")
    titles(root, shared)
    monkeypatch.delenv(listings.RUN)  # no run: nothing is shared
    titles(root, shared)
    titles(root, shared)
    assert probe.asked == 4


def test_what_was_edited_is_listed_anew_though_its_time_and_size_were_put_back(
    probe: Probe, root: Path, tmp_path: Path
) -> None:
    shared, file = tmp_path / "listing.json", root / "tiny" / "load.py"
    facts = file.stat()
    assert titles(root, shared) == ["a"]
    file.write_text(FILE.format(title="b"), encoding="utf-8")
    os.utime(file, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    forget_byte_code([root])  # or Python itself would take the old text
    assert file.stat().st_size == facts.st_size
    assert titles(root, shared) == ["b"]


@pytest.mark.parametrize("name", ["data.json", "tiny/more.py"])
def test_a_file_more_is_listed_anew(probe: Probe, root: Path, tmp_path: Path, name: str) -> None:
    """Whatever its kind: a scenario file may read it."""
    shared = tmp_path / "listing.json"
    titles(root, shared)
    (root / name).write_text("", encoding="utf-8")
    titles(root, shared)
    assert probe.asked == 2


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"key": 1}', "\udcff"])
def test_a_damaged_file_is_listed_anew(probe: Probe, root: Path, tmp_path: Path, damage: str) -> None:
    shared = tmp_path / "listing.json"
    shared.write_bytes(damage.encode("utf-8", "surrogateescape"))
    assert titles(root, shared) == ["a"]
    assert titles(root, shared) == ["a"]
    assert probe.asked == 1


def test_a_family_that_a_link_leads_to_is_looked_into(probe: Probe, root: Path, tmp_path: Path) -> None:
    shared = tmp_path / "listing.json"
    (root / "tiny").rename(tmp_path / "elsewhere")
    (root / "tiny").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (root / "tiny" / "again").symlink_to(root, target_is_directory=True)  # and round it goes
    assert titles(root, shared) == ["a"]
    before = stamps([root])
    (tmp_path / "elsewhere" / "load.py").write_text(FILE.format(title="b"), encoding="utf-8")
    assert changed(before, [root]).endswith("load.py")
    forget_byte_code([root])
    assert titles(root, shared) == ["b"]


def test_a_file_that_nobody_may_see_costs_nothing(probe: Probe, root: Path, tmp_path: Path) -> None:
    (root / "gone").symlink_to(tmp_path / "nowhere")
    assert titles(root, tmp_path / "listing.json") == ["a"]


def test_mistakes_are_not_shared(probe: Probe, root: Path, tmp_path: Path) -> None:
    (root / "tiny" / "broken.py").write_text("import nothing_of_that_name\n", encoding="utf-8")
    shared = tmp_path / "listing.json"
    with pytest.raises(ScenarioError, match="broken"):
        titles(root, shared)
    assert not shared.exists()


def test_a_place_that_cannot_be_written_costs_nothing(probe: Probe, root: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert titles(root, tmp_path / "file" / "listing.json") == ["a"]


def test_a_run_is_named_by_its_first_process() -> None:
    environ: dict[str, str] = {}
    listings.name_run(environ)
    named = dict(environ)
    listings.name_run(environ)
    assert environ == named and named[listings.RUN]


def test_a_file_that_ends_the_process_is_told(root: Path) -> None:
    (root / "tiny" / "ends.py").write_text("import os\nos._exit(3)\n", encoding="utf-8")
    with pytest.raises(ScenarioError, match="status 3"):
        listings.listing([root])
