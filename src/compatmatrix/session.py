"""Glue for the noxfile: version ids for its parameters, and the command lines that its sessions run.

It is imported each time nox reads the noxfile, once per parallel session: it must stay cheap, so it
imports nothing of the pipeline.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from compatmatrix.errors import Exit
from compatmatrix.listings import name_run
from compatmatrix.machine import sessions as parallel

__all__ = [
    "COLUMN_SUCCESS",
    "audited",
    "check",
    "column",
    "name_run",
    "parallel",
    "report",
    "sweep",
    "uv_environment",
    "version_ids",
]


def version_ids(path: str | Path = "matrix.yaml") -> list[str]:
    """The ids of the versions in matrix.yaml, for nox to parametrize ``column`` by.

    Only the ids are read here: a file with mistakes gives what can be read, and the session that runs
    then shows every mistake in one message.
    """
    try:
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return []
    versions = data.get("versions") if isinstance(data, dict) else None
    entries = versions if isinstance(versions, list) else []
    ids = [str(entry["id"]) for entry in entries if isinstance(entry, dict) and entry.get("id")]
    return list(dict.fromkeys(ids))


def uv_environment() -> dict[str, str]:
    """Variables that hand pip's configuration (indexes, find-links, certificate) on to uv, for nox's own installs."""
    from compatmatrix.indexes import uv_environment as configured

    names = configured(os.environ)
    return {name: value for name, value in names.items() if name != "UV_NO_INDEX"}


def check(posargs: Sequence[str]) -> list[str]:
    """The command that reads everything and runs nothing."""
    return [sys.executable, "-m", "compatmatrix", "check", *posargs]


def column(version: str, posargs: Sequence[str]) -> list[str]:
    """The command that runs one column."""
    return [sys.executable, "-m", "compatmatrix", "column", version, *posargs]


def report(posargs: Sequence[str]) -> list[str]:
    """The command that renders the report of what the columns stored, and whose exit status is the news."""
    return [sys.executable, "-m", "compatmatrix", "report", *posargs]


def sweep(posargs: Sequence[str]) -> list[str]:
    """The command that runs a column for every release in a range."""
    return [sys.executable, "-m", "compatmatrix", "sweep", *posargs]


def audited(report: Path) -> tuple[bool, str]:
    """Whether a report of pip-audit (JSON) has no vulnerability in it, and what to say.

    Without network pip-audit writes no report; where only a package index can be reached, it knows no package.
    Neither is a finding, and neither is an audit.
    """
    try:
        packages = json.loads(report.read_text(encoding="utf-8"))["dependencies"]
    except (OSError, ValueError, KeyError):
        packages = []
    known = [each for each in packages if "vulns" in each]
    if not known:
        return True, "pip-audit: NOTHING WAS AUDITED: no advisory service could be reached"
    lines = [
        f"  {each['name']} {each['version']}: {one['id']}, fixed in {', '.join(one['fix_versions']) or 'no release'}"
        for each in known
        for one in each["vulns"]
    ]
    told = f"pip-audit: {len(known)} of {len(packages)} packages audited, known vulnerabilities: {len(lines)}"
    return not lines, "\n".join([told, *lines])


#: Whatever becomes of a column, the report is made: it shows what was measured, and what was not. Only bad
#: input and Ctrl-C end everything.
COLUMN_SUCCESS = [status.value for status in Exit if status not in (Exit.INPUT, Exit.INTERRUPTED)]
