"""The API that users' scenarios are written against changes only on purpose, and is told and used as a whole."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import compatprobe
from tests.api import surface

ROOT = Path(__file__).parents[2]
EXPECTED = Path(__file__).with_name("surface.expected.txt")
USER = ROOT / "tests" / "fixtures" / "api_user"


def test_the_public_surface_is_the_accepted_one() -> None:
    accepted = EXPECTED.read_text(encoding="utf-8")
    assert surface.text() == accepted, (
        "the API of scenario files changed. What was there must stay: users' files are written against it. What came "
        "is told in docs/scenarios.md and CHANGELOG.md, and used in tests/fixtures/api_user; then accept it: "
        " python -m tests.api.surface > tests/api/surface.expected.txt"
    )


def test_what_the_probe_calls_public_is() -> None:
    assert tuple(compatprobe.__all__) == surface.PUBLIC["compatprobe"]


def test_every_public_name_is_told() -> None:
    page = (ROOT / "docs" / "scenarios.md").read_text(encoding="utf-8")
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    told = set(re.findall(r"[A-Za-z_][\w.]*", " ".join(re.findall(r"`[^`]+`", prose))))
    for module, names in surface.PUBLIC.items():
        short = module.removeprefix("scenarios.common.").removeprefix("references.")
        for name in names:
            wanted = name if module == "compatprobe" else f"{short}.{name}"
            assert wanted in told, f"{module}: docs/scenarios.md does not tell of {wanted}"
    methods = re.findall(r"^        (?:\.)?([a-z]\w+)", _cell(), re.MULTILINE)
    assert {"step", "check", "close", "directory"} <= set(methods)
    assert [name for name in methods if f"cell.{name}" not in told and name not in INTERNAL] == []


#: Attributes of a cell that the probe reads; a scenario writes them by its methods.
INTERNAL = {"checks", "fingerprint", "architectures", "steps"}


def _cell() -> str:
    return surface.text().split("class Cell\n")[1].split("    class Scenario\n")[0]


def test_the_user_of_the_api_uses_all_of_it() -> None:
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in USER.rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    used = {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    used |= {node.id for node in nodes if isinstance(node, ast.Name)}
    used |= {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    used |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    public = {name for names in surface.PUBLIC.values() for name in names}
    assert public - used == set(), "not used in tests/fixtures/api_user"
    keywords = {node.arg for node in nodes if isinstance(node, ast.keyword)}
    declared = re.search(r"    scenario\(\*, (.*)\) ->", surface.text())
    assert declared
    assert {each.split(":")[0] for each in re.split(r", (?=\w+: )", declared[1])} <= keywords
