"""The examples in docs/pin.md, as the command says them of the published run.

``python -m tests.pins.examples`` writes them anew, with ``src`` on the path.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from pathlib import Path

from click.testing import CliRunner

from compatmatrix.cli import cli

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "pin.md"
_EXAMPLE = re.compile(r"(<!-- (pin [^\n]*) -->\n```text\n).*?(```)", re.DOTALL)


def written(text: str) -> str:
    """The document with its examples as they are now."""
    return _EXAMPLE.sub(lambda match: match[1] + _said(shlex.split(match[2])) + match[3], text)


def _said(arguments: list[str]) -> str:
    files = ["--run", str(ROOT / "reports" / "latest.json"), "--ledger", str(ROOT / "scenarios" / "known_issues.yaml")]
    # An empty directory has no matrix.yaml: the examples are about the run, not about the state of the checkout.
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as empty:
        os.chdir(empty)
        try:
            return CliRunner().invoke(cli, [*arguments, *files], standalone_mode=False, catch_exceptions=False).output
        finally:
            os.chdir(before)


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
