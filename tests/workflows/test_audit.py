"""What the lint session says of known vulnerabilities, from reports as pip-audit writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compatmatrix.session import audited

SOUND = {"name": "jinja2", "version": "3.1.6", "vulns": []}
FOUND = {"id": "PYSEC-2024-1", "fix_versions": ["3.1.7"], "aliases": ["CVE-2024-1"], "description": "bad"}
OURSELVES = {"name": "compatmatrix", "skip_reason": "distribution marked as editable"}
UNKNOWN = {"name": "click", "skip_reason": "Dependency not found on PyPI and could not be audited: click (8.5.1)"}


def said(tmp_path: Path, *packages: dict[str, Any]) -> tuple[bool, str]:
    report = tmp_path / "audit.json"
    report.write_text(json.dumps({"dependencies": packages, "fixes": []}), encoding="utf-8")
    return audited(report)


def test_a_vulnerability_is_told_with_what_fixes_it(tmp_path: Path) -> None:
    clean, told = said(tmp_path, {**SOUND, "vulns": [FOUND]}, OURSELVES)
    assert not clean
    assert told.endswith("known vulnerabilities: 1\n  jinja2 3.1.6: PYSEC-2024-1, fixed in 3.1.7")


def test_one_that_nothing_fixes_is_one_all_the_same(tmp_path: Path) -> None:
    clean, told = said(tmp_path, SOUND, {**SOUND, "vulns": [{**FOUND, "fix_versions": []}]})
    assert (clean, told.splitlines()[-1]) == (False, "  jinja2 3.1.6: PYSEC-2024-1, fixed in no release")


def test_how_many_were_looked_up_is_told(tmp_path: Path) -> None:
    assert said(tmp_path, SOUND, UNKNOWN, OURSELVES) == (
        True,
        "pip-audit: 1 of 3 packages audited, known vulnerabilities: 0",
    )


@pytest.mark.parametrize("text", [None, "", "{}", json.dumps({"dependencies": [UNKNOWN, OURSELVES], "fixes": []})])
def test_where_nothing_could_be_looked_up_it_is_no_audit(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "audit.json").write_text(text, encoding="utf-8")
    clean, told = audited(tmp_path / "audit.json")
    assert clean
    assert "NOTHING WAS AUDITED" in told
