"""The parts of the cluster that need none: what is sent, what is taken, what is asked for."""

from __future__ import annotations

import dataclasses
import datetime
import sqlite3
import zlib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from distributed import KilledWorker

from compatmatrix import loading
from compatmatrix.cli import executing
from compatmatrix.cluster import content
from compatmatrix.cluster.client import Cluster
from compatmatrix.cluster.order import Answer, packed, program, unpacked
from compatmatrix.errors import Exit, InfrastructureError, InputError, StorageError
from compatmatrix.matrix import Matrix
from compatmatrix.plan import Plan, definition, make
from compatmatrix.results import CellResult, Column
from compatmatrix.roots import gather
from compatmatrix.settings import Settings
from compatmatrix.store import STORE, Store
from compatmatrix.sweep import Lost
from tests.core.factories import result, scenario
from tests.e2e.conftest import ROOT
from tests.own.conftest import here, write

__all__ = ["here"]

DAY = datetime.datetime(2026, 11, 20, tzinfo=datetime.timezone.utc)
SECRETS = ("hf_" + "a" * 30, "s3cret")


def matrix(*sources: dict[str, str]) -> Matrix:
    versions = [{"id": f"v{number}", "sources": [source]} for number, source in enumerate(sources)]
    return Matrix.model_validate({"python": "3.11", "versions": versions})


def roots(tmp_path: Path) -> tuple[Path, ...]:
    for name in ("scenarios/llama/plain.py", "scenarios/.env", "scenarios/.git/config", "more/scenarios/x/data.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(SECRETS[1] if "/." in name else name)
    return tmp_path / "scenarios", tmp_path / "more" / "scenarios"


# -- what is sent


def test_what_is_sent_is_the_scenarios_and_nothing_hidden_or_linked_to(tmp_path: Path) -> None:
    made = roots(tmp_path)
    data = content.pack(matrix({"pypi": "1.0"}), made)
    assert data == content.pack(matrix({"pypi": "1.0"}), made), "the hash names the content"
    found = content.unpack(data, content.digest(data), tmp_path / "there")
    assert [root.name for root in found.roots] == ["scenarios", "scenarios"], "tracebacks are shortened by this name"
    files = [path for path in (tmp_path / "there").rglob("*") if path.is_file()]
    assert [sorted(path.name for path in root.rglob("*.*")) for root in found.roots] == [["plain.py"], ["data.json"]]
    assert not any(SECRETS[1] in path.read_text() for path in files)


def test_a_column_has_the_same_keys_on_a_worker(tmp_path: Path) -> None:
    """Also where matrix.yaml writes out what is the default: 60 is read as 60.0."""
    here = loading.load_matrix(ROOT / "matrix.yaml")
    data = content.pack(here, [])
    there = loading.load_matrix(content.unpack(data, content.digest(data), tmp_path).matrix)
    cell = [scenario("llama/plain")]
    keys = [
        plan.key(Column(version="x", lock_hash="l"), plan.cells[0])
        for plan in (make(each, cell, "basis") for each in (here, there))
    ]
    assert keys[0] == keys[1]
    assert [definition(here, each) for each in here.versions] == [definition(there, each) for each in there.versions]


@pytest.mark.parametrize("target", ["elsewhere.py", "nowhere.py", "more"])
def test_a_link_that_would_be_missing_on_a_worker_is_named(tmp_path: Path, target: str) -> None:
    made = roots(tmp_path)
    (tmp_path / "elsewhere.py").write_text(SECRETS[1])
    link = made[0] / "llama" / "link.py"
    link.symlink_to(tmp_path / target)
    with pytest.raises(InputError, match=r"link\.py: a link that leads out of"):
        content.pack(matrix({"pypi": "1.0"}), made)
    link.unlink()
    link.symlink_to("plain.py")
    data = content.pack(matrix({"pypi": "1.0"}), made)
    root = content.unpack(data, content.digest(data), tmp_path / "there").roots[0]
    assert (root / "llama" / "link.py").read_text() == (made[0] / "llama" / "plain.py").read_text()


def test_a_single_file_is_sent_as_a_file(here: Path, tmp_path: Path) -> None:
    file = write(here / "my_model.py")
    sent = gather([file], Path(".compatmatrix"))
    data = content.pack(matrix({"pypi": "1.0"}), sent)
    found = content.unpack(data, content.digest(data), tmp_path / "there").roots
    (there,) = found[1].rglob("*.py")
    assert there.relative_to(found[1]).as_posix() == "my_model/my_model.py"
    assert (there.read_bytes(), there.is_symlink()) == (file.read_bytes(), False)


@pytest.mark.parametrize("path", ["/home/someone/transformers", "/Users/someone/transformers", str(Path.home() / "t")])
def test_a_home_directory_is_no_secret(path: str) -> None:
    content.pack(matrix({"path": path}), [])


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ({"path": "../transformers"}, "v0: ../transformers"),
        ({"git": f"https://me:{SECRETS[0]}@example.org/t.git", "branch": "main"}, "looks like a secret"),
        ({"git": f"https://***{SECRETS[0]}@example.org/t.git", "branch": "main"}, "looks like a secret"),
    ],
)
def test_what_a_worker_could_not_use_or_must_not_see_is_refused(source: dict[str, str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        content.pack(matrix(source), [])


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "LIMIT", 10)
    with pytest.raises(InputError, match="the scenario files are more than"):
        content.pack(matrix({"pypi": "1.0"}), roots(tmp_path))


def test_what_did_not_arrive_as_it_was_sent_is_refused(tmp_path: Path) -> None:
    data = content.pack(matrix({"pypi": "1.0"}), [])
    with pytest.raises(InfrastructureError, match="did not arrive"):
        content.unpack(data + b" ", content.digest(data), tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_program_is_the_same_until_a_source_changes() -> None:
    assert program() == program()


# -- what is taken


class Client:
    """A Dask client whose columns end as the script says."""

    def __init__(self, *script: Answer | Exception) -> None:
        self.script = list(script)
        self.orders: list[Any] = []

    def submit(self, function: Callable[..., Any], *arguments: Any, **_: Any) -> Any:
        if len(arguments) == 1:
            return arguments[0]
        self.orders.append(arguments[0])
        return self

    def result(self) -> Answer:
        what = self.script.pop(0)
        if isinstance(what, Exception):
            raise what
        return what

    def subscribe_topic(self, *_: Any) -> None:
        pass


def plan() -> Plan:
    return make(matrix({"pypi": "1.0"}), [scenario("llama/plain", "[a]", "[b]")], "basis")


def column() -> Column:
    return Column(
        version="v0", definition=definition(plan().matrix, plan().versions[0]), lock_hash="l", resolved_at=DAY
    )


def row(label: str = "[a]", version: str = "v0") -> CellResult:
    cell = next(cell for cell in plan().cells if cell.variant.label == label)
    return result(cell.id, version, key=plan().key(column(), cell), measured_at=DAY)


def answer(tmp_path: Path, *rows: CellResult) -> Answer:
    state = tmp_path / f"worker-{len(list(tmp_path.iterdir()))}"
    with Store(state / STORE) as store:
        store.put_column(column())
        for each in rows:
            store.put(each)
    return Answer(status=Exit.OK, output="the last line", seconds=1, where="a", store=packed(state))


def executor(tmp_path: Path, *script: Answer | Exception, fresh: bool = False) -> tuple[Cluster, Client, list[str]]:
    said: list[str] = []
    settings = Settings(root=tmp_path, state=tmp_path / "state", scenario_roots=(), fresh=fresh)
    client = Client(*script)
    return Cluster(client, plan(), settings, b"", {}, said.append), client, said


def stored(tmp_path: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(tmp_path / "state" / STORE)) as db:
        return db.execute("SELECT version, json FROM results ORDER BY key").fetchall()


def test_the_same_answer_twice_is_stored_once(tmp_path: Path) -> None:
    got = answer(tmp_path, row("[a]"), row("[b]"))
    cluster, _, said = executor(tmp_path, got, got)
    assert cluster.column("v0", ()) == (Exit.OK, "the last line", 1, "a")
    once = stored(tmp_path)
    assert len(once) == 2
    cluster.column("v0", ())
    assert stored(tmp_path) == once
    assert said == []


def test_a_worker_is_believed_about_its_own_column_only(tmp_path: Path) -> None:
    stranger = row("[b]", "v9")
    cluster, _, said = executor(tmp_path, answer(tmp_path, row("[a]"), stranger))
    cluster.column("v0", ())
    assert [version for version, _ in stored(tmp_path)] == ["v0"]
    assert said == ["v0  refused: 1 row about v9 from column-v0"]


def test_a_damaged_answer_is_infrastructure_and_changes_nothing(tmp_path: Path) -> None:
    good = answer(tmp_path, row("[a]"))
    half = zlib.compress(zlib.decompress(good.store)[:5000])
    cluster, _, _ = executor(tmp_path, dataclasses.replace(good, store=half))
    ended = cluster.column("v0", ())
    assert ended.status is Exit.STORAGE
    assert stored(tmp_path) == []


def test_what_is_known_goes_with_the_order_but_not_where_all_is_measured_anew(tmp_path: Path) -> None:
    known = [row("[a]")]
    cluster, client, _ = executor(tmp_path, *[answer(tmp_path, *known)] * 2)
    cluster.column("v0", ())
    cluster.column("v0", ())
    assert client.orders[0].known == b""
    assert unpacked(client.orders[1].known, tmp_path / "order").exists()
    with Store(tmp_path / "order" / STORE) as store:
        assert list(store.get([known[0].key]).values()) == known
        assert store.columns() == {}, "the column is resolved again"
    cluster, client, _ = executor(tmp_path, answer(tmp_path, *known), fresh=True)
    cluster.column("v0", ())
    assert client.orders[0].known == b""
    assert "--fresh" in client.orders[0].arguments


def test_a_column_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    once = KilledWorker("task", None, 0)  # a scheduler that allows no failure
    cluster, client, _ = executor(tmp_path, once, answer(tmp_path, row("[a]")))
    assert cluster.column("v0", ()).status is Exit.OK, "one lost worker is run again"
    cluster, client, _ = executor(tmp_path, *[once] * 5)
    with pytest.raises(Lost, match="4 workers died"):
        cluster.column("v0", ())
    assert len(client.orders) == 4


def test_another_error_of_a_task_is_told_and_left_to_be_tried_again(tmp_path: Path) -> None:
    cluster, _, _ = executor(tmp_path, MemoryError("no room"))
    assert cluster.column("v0", ())[:2] == (Exit.DEFECT, "MemoryError: no room")
    cluster, _, _ = executor(tmp_path, StorageError("disk full"))
    assert cluster.column("v0", ())[:2] == (Exit.STORAGE, "disk full")
    cluster, _, _ = executor(tmp_path, InfrastructureError("another program"))
    with pytest.raises(InfrastructureError, match="another program"):
        cluster.column("v0", ())


# -- what is asked for


def test_resources_are_written_as_dask_writes_them() -> None:
    assert executing.parse("GPU=1,memory=8e9") == executing.parse("GPU=1 memory=8e9") == {"GPU": 1, "memory": 8e9}
    assert executing.parse("") == {}
    for wrong in ("GPU", "GPU=", "=1", "GPU=many", "GPU=0", "GPU=-1", "GPU=nan", "GPU=inf"):
        with pytest.raises(InputError, match="is no resource"):
            executing.parse(wrong)
