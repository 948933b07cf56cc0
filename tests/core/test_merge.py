"""Merging: nothing that was seen is dropped, the order does not matter, and a store that is none changes nothing."""

import datetime
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.errors import InputError, StorageError
from compatmatrix.merge import combine, find, merge
from compatmatrix.results import CellResult, Check, Outcome
from compatmatrix.store import Store
from tests.core.factories import column, result

DAY = datetime.datetime(2026, 11, 20, tzinfo=datetime.timezone.utc)
TOMORROW = DAY + datetime.timedelta(days=1)
LATER = DAY + datetime.timedelta(days=2)

moments = st.sampled_from([None, DAY, TOMORROW, DAY.replace(tzinfo=None)])
outcomes = st.sampled_from([Outcome.PASS, Outcome.FAIL, Outcome.WRONG, Outcome.CRASH])
rows = st.builds(
    result,
    outcome=outcomes,
    measured_at=moments,
    attempts=st.lists(outcomes, max_size=3).map(tuple),
    signature=st.sampled_from([None, "a", "b"]),
    key=st.just("k"),
)


@given(rows, rows, rows)
def test_the_order_does_not_matter_and_once_more_changes_nothing(a: CellResult, b: CellResult, c: CellResult) -> None:
    assert combine(a, b) == combine(b, a)
    assert combine(a, combine(b, c)) == combine(combine(a, b), c)
    assert combine(a, a) == a
    assert combine(combine(a, b), b) == combine(a, b)


@given(rows, rows)
def test_the_worst_outcome_is_the_verdict_and_every_outcome_stays(a: CellResult, b: CellResult) -> None:
    both = combine(a, b)
    assert both.outcome is max(a.outcome, b.outcome, key=lambda outcome: outcome.severity)
    for row in (a, b):
        assert set(row.attempts or (row.outcome,)) <= set(both.attempts or (both.outcome,))
    if a.outcome is not b.outcome:
        assert both.flaky


def test_of_the_same_outcome_the_newer_is_kept() -> None:
    old, new = (result(measured_at=moment, seconds=seconds) for moment, seconds in ((DAY, 2.0), (TOMORROW, 1.0)))
    assert combine(old, new).seconds == combine(new, old).seconds == 1.0


def a_store(path: Path, *what: Any) -> Path:
    with Store(path) as store:
        for each in what:
            if isinstance(each, CellResult):
                store.put(each)
            else:
                store.put_column(each)
    return path


def merged(
    tmp_path: Path, *paths: Path, meant: dict[str, str] | None = None, **how: bool
) -> tuple[dict[str, Any], list[str]]:
    """What is in the local store after merging, as column and rows, and what was said."""
    said: list[str] = []
    with Store(tmp_path / "here" / "results.sqlite") as store:
        merge(paths, store, meant or {}, said.append, now=LATER, **how)
    return content(tmp_path / "here" / "results.sqlite"), said


def content(path: Path) -> dict[str, Any]:
    with Store(path) as store:
        return {**store.columns(), **store.get(row[0] for row in store._db.execute("SELECT key FROM results"))}


def test_what_was_run_elsewhere_is_here_afterwards(tmp_path: Path) -> None:
    one = a_store(tmp_path / "1" / "results.sqlite", column("1.0"), result(key="a"))
    two = a_store(tmp_path / "2" / "results.sqlite", column("2.0"), result(key="b", version="2.0"))
    there, said = merged(tmp_path, one, two)
    assert there == {**content(one), **content(two)}
    assert said[0].endswith(
        "1 column taken; 1 new result, 0 measured again, 0 with another outcome than before, 0 known"
    )
    again, said = merged(tmp_path, one, two)
    assert again == there
    assert "0 new results" in said[0]
    assert "1 known" in said[0]


def test_a_number_that_is_none_is_known_when_it_comes_again(tmp_path: Path) -> None:
    row = result(key="a", outcome=Outcome.WRONG, checks=(Check(name="logits", measured=float("nan"), limit=1.0),))
    one = a_store(tmp_path / "1" / "results.sqlite", row)
    merged(tmp_path, one)
    assert "1 known" in merged(tmp_path, one)[1][0]


def test_another_outcome_of_the_same_content_is_told_and_flaky(tmp_path: Path) -> None:
    here = result("llama/plain[tied]", key="a", measured_at=TOMORROW)
    a_store(tmp_path / "here" / "results.sqlite", here)
    there = a_store(tmp_path / "1.sqlite", here.model_copy(update={"outcome": Outcome.FAIL, "measured_at": DAY}))
    now, said = merged(tmp_path, there)
    assert (now["a"].outcome, now["a"].flaky) == (Outcome.FAIL, True)
    assert said[0] == "  differs: 1.0 llama/plain[tied]: pass here, fail there; kept as fail, flaky"
    assert "1 with another outcome" in said[1]


def test_another_behaviour_with_the_same_outcome_is_told(tmp_path: Path) -> None:
    a_store(tmp_path / "here" / "results.sqlite", result(key="a", measured_at=DAY, fingerprint={"meta": 1}))
    there = a_store(tmp_path / "1.sqlite", result(key="a", measured_at=TOMORROW, fingerprint={"meta": 0}))
    now, said = merged(tmp_path, there)
    assert now["a"].fingerprint == {"meta": 0}
    assert "another signature or fingerprint" in said[0]


def test_the_newer_column_is_shown_and_one_of_another_matrix_never(tmp_path: Path) -> None:
    old = column(resolved_at=DAY, definition="d", lock_hash="old")
    new = column(resolved_at=TOMORROW, definition="d", lock_hash="new")
    other = column(resolved_at=TOMORROW + datetime.timedelta(days=1), definition="x")
    stores = {name: a_store(tmp_path / f"{name}.sqlite", each) for name, each in (("o", old), ("n", new), ("x", other))}
    assert merged(tmp_path, stores["o"], stores["n"], meant={"1.0": "d"})[0]["1.0"] == new
    assert merged(tmp_path, stores["o"], meant={"1.0": "d"})[0]["1.0"] == new
    there, said = merged(tmp_path, stores["x"], meant={"1.0": "d"})
    assert there["1.0"] == new
    assert "another definition" in said[0]
    # Here the one of the old definition makes room for an older one of the right definition.
    assert merged(tmp_path, stores["x"])[0]["1.0"] == other
    assert merged(tmp_path, stores["o"], meant={"1.0": "d"})[0]["1.0"] == old


def _sql(*statements: str) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        a_store(path, column(), result(key="a"))
        db = sqlite3.connect(path)
        for statement in statements:
            db.execute(statement)
        db.commit()
        db.close()

    return spoil


def _timed(moment: datetime.datetime) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        a_store(path, column(), result(key="a", measured_at=moment))

    return spoil


def _cut(path: Path) -> None:
    a_store(path, *(result(key=f"{number}", log="x" * 500) for number in range(200)))
    path.write_bytes(path.read_bytes()[:40_000])


def _scribbled(path: Path) -> None:
    a_store(path, *(result(key=f"{number}", log="x" * 500) for number in range(200)))
    data = bytearray(path.read_bytes())
    data[20_000:24_000] = b"\xff" * 4_000
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_bytes(b"this is not a database" * 100), "not a database"),
        (lambda path: path.write_bytes(b""), "store version 0"),
        (_cut, "malformed|damaged"),
        (_scribbled, "malformed|damaged"),
        (_sql("PRAGMA user_version=9"), "store version 9"),
        (_sql("ALTER TABLE results RENAME TO r", "CREATE VIEW results AS SELECT * FROM r"), "its tables are others"),
        (_sql("CREATE TRIGGER t AFTER INSERT ON results BEGIN DELETE FROM columns; END"), "its tables are others"),
        (_sql("ALTER TABLE results ADD COLUMN more AS (hex(zeroblob(9)))"), "its tables are others"),
        (_sql("UPDATE results SET json = '{'"), "row 'a' cannot be used"),
        (_sql("UPDATE results SET json = x'ff'"), "row 'a' cannot be used|UTF-8"),
        (_sql("UPDATE results SET key = 'b'"), "filed under another name"),
        (_sql("UPDATE results SET json = replace(json, '\"pass\"', '\"fine\"')"), "row 'a' cannot be used"),
        (_timed(DAY.replace(tzinfo=None)), "row 'a' cannot be used: measured_at: .* has no time zone"),
        (_timed(LATER + datetime.timedelta(hours=2)), "row 'a' cannot be used: measured_at: .* is in the future"),
        (_sql("UPDATE columns SET json = replace(json, '}', ', \"extra\": 1}')"), "row '1.0' cannot be used"),
    ],
)
def test_what_is_no_sound_store_gives_one_error_and_changes_nothing(
    spoil: Callable[[Path], None], message: str, tmp_path: Path
) -> None:
    a_store(tmp_path / "here" / "results.sqlite", column("0.9"), result(key="mine", version="0.9"))
    before = content(tmp_path / "here" / "results.sqlite")
    good = a_store(tmp_path / "good" / "results.sqlite", column("3.0"), result(key="good", version="3.0"))
    spoil(tmp_path / "bad.sqlite")
    with pytest.raises(StorageError, match=message) as error:
        merged(tmp_path, good, tmp_path / "bad.sqlite")
    assert "nothing was merged" in error.value.hint
    assert content(tmp_path / "here" / "results.sqlite") == before


def test_stores_are_found_below_a_directory(tmp_path: Path) -> None:
    stores = [a_store(tmp_path / "all" / f"column-{id}" / "results.sqlite", column(id)) for id in ("1.0", "2.0")]
    assert find([tmp_path / "all"]) == find([tmp_path / "all", stores[0]]) == stores
    (tmp_path / "all" / "link").mkdir()
    (tmp_path / "all" / "link" / "results.sqlite").symlink_to("/etc/passwd")
    assert find([tmp_path / "all"]) == stores
    for nothing in (tmp_path / "absent", tmp_path / "all" / "link"):
        with pytest.raises(InputError, match="no results store"):
            find([nothing])


def test_a_store_that_is_being_written_is_read_as_it_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "there" / "results.sqlite"
    with Store(path) as store:
        store.put(result(key="a"))
        assert path.with_name("results.sqlite-wal").exists()
        assert "a" in merged(tmp_path, path)[0]


def test_a_clock_that_is_a_little_ahead_is_no_damage(tmp_path: Path) -> None:
    ahead = result(key="a", measured_at=LATER + datetime.timedelta(minutes=30))
    assert "a" in merged(tmp_path, a_store(tmp_path / "1.sqlite", ahead))[0]


def test_by_directory_a_column_speaks_only_for_itself(tmp_path: Path) -> None:
    own = (column("main", lock_hash="own"), result(key="own", version="main"))
    forged = (
        column("4.46.3", lock_hash="forged", resolved_at=TOMORROW),
        result(key="theirs", version="4.46.3", outcome=Outcome.CRASH),
    )
    hostile = a_store(tmp_path / "columns" / "column-main" / "results.sqlite", *own, *forged)
    honest = (column("4.46.3", resolved_at=DAY), result(key="theirs", version="4.46.3"))
    a_store(tmp_path / "columns" / "column-4.46.3" / "results.sqlite", *honest)
    there, said = merged(tmp_path, tmp_path / "columns", by_directory=True)
    assert there == {"main": own[0], "own": own[1], "4.46.3": honest[0], "theirs": honest[1]}
    assert "  refused: 2 rows about 4.46.3 from column-main" in said
    with pytest.raises(InputError, match="not in a directory that is named for its column"):
        merged(tmp_path, a_store(tmp_path / "elsewhere" / "results.sqlite", *own), by_directory=True)
    # Without it, who merges trusts every store about every column.
    assert merged(tmp_path, hostile)[0]["theirs"].outcome is Outcome.CRASH


def test_a_damaged_store_can_be_left_out_by_name(tmp_path: Path) -> None:
    good = a_store(tmp_path / "good" / "results.sqlite", column("3.0"), result(key="good", version="3.0"))
    bad = tmp_path / "bad.sqlite"
    # The first row is sound: nothing of a damaged store may be taken before it is known to be damaged.
    a_store(bad, column(), result(key="a"), result(key="b", measured_at=DAY.replace(tzinfo=None)))
    there, said = merged(tmp_path, bad, good, leave_out_damaged=True)
    assert there == content(good)
    assert said[0].startswith(f"{bad}: the row 'b' cannot be used") and "left out" in said[0]
