"""The published schemas are what the models say, and the numbers of exit statuses are documented."""

from pathlib import Path

import pytest

from compatmatrix import errors, schemas

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("matrix", "matrix.schema.json"),
        ("ledger", "docs/ledger.schema.json"),
        ("history", "docs/history.schema.json"),
        ("run", "docs/run.schema.json"),
        ("atlas", "docs/atlas.schema.json"),
    ],
)
def test_the_file_is_generated(name: str, file: str) -> None:
    assert (ROOT / file).read_text(encoding="utf-8") == schemas.text(name), (
        f"accept the new one: compatmatrix schema {name} > {file}"
    )


def test_matrix_yaml_names_its_schema_in_its_first_line() -> None:
    first = (ROOT / "matrix.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=./matrix.schema.json"


def test_every_exit_status_is_documented() -> None:
    for status in errors.Exit:
        assert f"\n{status.value} " in (errors.__doc__ or "")
