"""What counts as tested, and what does not."""

from __future__ import annotations

import pytest

from compatmatrix.pins import candidates
from tests.pins.making import column, gone, run, substitute

COMMIT = "1c0f782fe5f983727ff245c4c1b3906f9b99eec2"
GIT = f"transformers @ git+https://github.com/huggingface/transformers@{COMMIT}"


def test_versions_are_ordered_by_number_newest_first() -> None:
    found, nothing = candidates(run([column("4.9.0"), column("4.10.0"), column("5.0.0")], {"a/b": "ppp"}))
    assert [each.name for each in found] == ["5.0.0", "4.10.0", "4.9.0"]
    assert not nothing


def test_a_substitute_is_evidence_of_what_it_shows_and_of_nothing_else() -> None:
    found, nothing = candidates(run([substitute("4.50.dev", "4.50.0")], {"a/b": "p"}))
    (only,) = found
    assert (only.name, only.requirement, only.released) == ("4.50.0", "transformers==4.50.0", True)
    assert only.note == "measured in the column 4.50.dev, which showed 4.50.0"
    assert [each.version for each in nothing] == ["4.50.dev"]
    assert "4.50.0 instead" in nothing[0].why


def test_a_commit_is_required_by_its_commit_not_by_the_number_that_it_reports() -> None:
    found, _ = candidates(run([column("4.50.dev", "4.50.0.dev0", lock=GIT, commit=COMMIT)], {"a/b": "p"}))
    assert (found[0].requirement, found[0].released) == (GIT, False)
    assert found[0].name == "4.50.0.dev0 at 1c0f782fe5f9"


@pytest.mark.parametrize(
    "address",
    [
        "file:///transformers-5.0-py3-none-any.whl",
        f"git+file:///srv/transformers@{COMMIT}",
        f"git+https://***@host/x@{COMMIT}",
    ],
)
def test_what_nobody_else_can_install_is_no_candidate(address: str) -> None:
    found, nothing = candidates(run([column("mine", "5.0", lock=f"transformers @ {address}")], {"a/b": "p"}))
    assert not found
    assert "local source" in nothing[0].why


def test_a_column_without_an_environment_or_never_run_is_named() -> None:
    found, nothing = candidates(
        run([gone("main"), column("5.0", lock_hash=""), column("4.0", "", lock="")], {"a/b": "enp"})
    )
    assert [each.name for each in found] == ["5.0", "4.0"]
    assert nothing[0].version == "main" and "unreachable" in nothing[0].why
    empty = gone("5.1").model_copy(update={"failure": None})
    assert [each.why for each in candidates(run([empty], {"a/b": "n"}))[1]] == ["it was not run"]


def test_a_stale_column_is_no_evidence() -> None:
    planned = run([column("4.0"), column("5.0"), column("6.0")], {"a/b": "ppp"})
    found, nothing = candidates(planned, {"4.0": "d4.0", "5.0": "another"})
    assert [each.name for each in found] == ["4.0"]
    assert [(each.version, each.why.split(":")[0]) for each in nothing] == [("5.0", "stale"), ("6.0", "stale")]


@pytest.mark.parametrize("turn", [1, -1])
def test_the_same_version_with_the_same_lock_is_told_once_by_its_own_column(turn: int) -> None:
    columns = [substitute("main", "5.0"), column("5.0")][::turn]
    found, nothing = candidates(run(columns, {"a/b": "pp"}))
    assert [each.column.version for each in found] == ["5.0"]
    assert [each.version for each in nothing] == ["main"]


def test_the_same_version_with_another_lock_is_another_candidate() -> None:
    other = column("main", "5.0", lock="transformers==5.0 --hash=sha256:" + "1" * 64)
    found, _ = candidates(run([column("5.0"), other], {"a/b": "pp"}))
    assert sorted(each.label for each in found) == ["5.0", "5.0 (column main)"]
