"""matrix.yaml: all mistakes at once, each with its line, its path and a suggestion."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.errors import InputError, MatrixError
from compatmatrix.loading import load_matrix
from compatmatrix.matrix import GitSource, PypiSource

ROOT = Path(__file__).parents[2]

GOOD = """\
python: "3.11"
versions:
  - id: "4.36.2"
    sources: [{pypi: "4.36.2"}]
  - id: dev
    sources:
      - git: https://example.invalid/x
        commit: 0123456789abcdef0123456789abcdef01234567
      - pypi: "1.0"
    substitute: {pypi: newest, why: it is the nearest}
companions:
  - {package: Torch, requirement: "==2.13.0", when: ">=4", why: one for all}
policy: {memory: 2GiB}
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "matrix.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(MatrixError) as caught:
        load_matrix(write(tmp_path, text))
    return caught.value.problems


def test_a_good_file(tmp_path: Path) -> None:
    matrix = load_matrix(write(tmp_path, GOOD))
    assert [version.id for version in matrix.versions] == ["4.36.2", "dev"]
    assert isinstance(matrix.versions[0].sources[0], PypiSource)
    assert isinstance(matrix.versions[1].sources[0], GitSource)
    assert matrix.companions[0].package == "torch"
    assert matrix.policy.memory == 2 * 1024**3


def test_the_shipped_file_is_good() -> None:
    assert [version.id for version in load_matrix(ROOT / "matrix.yaml").versions] == [
        "4.36.2",
        "4.39.0",
        "4.46.3",
        "4.50.dev",
        "main",
    ]


def test_every_mistake_is_told_with_line_path_and_suggestion(tmp_path: Path) -> None:
    text = """\
python: 3.11
versions:
  - id: "4.36.2"
    sorces:
      - pypi: "4.36.2"
  - id: b
    sources:
      - git: x
        comit: abc
      - pypy: 3
      - pypi: banana
companions:
  - package: torch
    requirment: "==2"
    why: one for all
policy: {timeout: 3, memory: lots}
scenario: {}
"""
    assert problems(tmp_path, text) == [
        "line 1: python: write it in quotes: 3.11 was read as a number, which loses zeros",
        "line 3: versions[0].sources: is missing",
        "line 4: versions[0].sorces: unknown key. Did you mean 'sources'?",
        "line 9: versions[1].sources[0].comit: unknown key. Did you mean 'commit'?",
        "line 10: versions[1].sources[1]: a source has one of the keys 'pypi', 'git' and 'path'. Did you mean 'pypi'?",
        "line 11: versions[1].sources[2].pypi: 'banana' is not a release number such as '4.46.3', nor 'newest'",
        "line 13: companions[0].requirement: is missing",
        "line 14: companions[0].requirment: unknown key. Did you mean 'requirement'?",
        "line 16: policy.memory: could not parse value and unit from byte string",
        "line 16: policy.timeout: unknown key. Did you mean 'timeout_seconds'?",
        "line 17: scenario: unknown key. Did you mean 'scenarios'?",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "line 1: the file must be a mapping with the key 'versions'"),
        ("versions: [", "line 1: not YAML: expected the node content, but found '<stream end>'"),
        (GOOD + "python: '3.12'\n", "line 14: not YAML: the key 'python' is there twice"),
        (GOOD.replace("id: dev", "id: 4-36-2"), "line 2: versions: the id '4-36-2' is there twice"),
        (GOOD.replace('when: ">=4"', 'when: "four"'), "line 12: companions[0].when: 'four' is not a version range"),
        (
            GOOD.replace("commit: 0123456789abcdef", "commit: 0123"),
            "commit: '01230123456789abcdef01234567' is not a whole commit",
        ),
        (GOOD.replace("        commit: 0123456789abcdef0123456789abcdef01234567\n", ""), "exactly one of 'commit'"),
    ],
)
def test_one_mistake(tmp_path: Path, text: str, problem: str) -> None:
    found = problems(tmp_path, text)
    assert len(found) == 1
    assert problem in found[0]


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        load_matrix(tmp_path / "absent.yaml")


@given(st.text(max_size=200))
def test_any_text_gives_an_input_error_or_a_matrix(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "matrix.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(InputError):
        load_matrix(path)
