"""pip's configuration, handed on to uv."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from compatmatrix.indexes import config_files, pip_options, uv_environment


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_everything_pip_knows_of_indexes_reaches_uv(tmp_path: Path) -> None:
    file = write(
        tmp_path / "pip.conf",
        "[global]\nfind-links =\n    /wheels\n    https://example.org/wheels\nindex-url = https://example.org/simple\n"
        "extra-index-url = https://one.example.org https://two.example.org\ntimeout = 7\n"
        "trusted_host = example.org\ncert = /etc/company.pem\n[install]\nno-index = true\n",
    )
    assert uv_environment({}, files=[file]) == {
        "UV_FIND_LINKS": "/wheels,https://example.org/wheels",
        "UV_DEFAULT_INDEX": "https://example.org/simple",
        "UV_INDEX": "https://one.example.org https://two.example.org",
        "UV_HTTP_TIMEOUT": "7",
        "UV_INSECURE_HOST": "example.org",
        "SSL_CERT_FILE": "/etc/company.pem",
        "UV_NO_INDEX": "1",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
    }


def test_what_is_set_for_uv_wins(tmp_path: Path) -> None:
    file = write(tmp_path / "pip.conf", "[global]\nindex-url = https://pip\nextra-index-url = https://more\n")
    own = {"UV_INDEX_URL": "https://uv", "UV_INDEX": "https://mine", "UV_INDEX_STRATEGY": "first-index"}
    assert uv_environment(own, files=[file]) == own


def test_pip_s_order_of_precedence(tmp_path: Path) -> None:
    machine = write(tmp_path / "machine.conf", "[global]\ntimeout = 1\ncert = machine\n[install]\nproxy = machine\n")
    user = write(tmp_path / "user.conf", "[global]\ntimeout = 2\nproxy = user\n")
    environ = {"PIP_DEFAULT_TIMEOUT": "3", "PIP_CERT": ""}
    assert pip_options(environ, files=[machine, user]) == {"timeout": "3", "cert": "machine", "proxy": "machine"}


def test_nothing_configured_changes_nothing() -> None:
    assert uv_environment({"PATH": "/bin", "PIP_NO_INDEX": "0"}, files=[]) == {"PATH": "/bin", "PIP_NO_INDEX": "0"}


def test_a_damaged_file_is_left_to_pip(tmp_path: Path) -> None:
    assert pip_options({}, files=[write(tmp_path / "pip.conf", "index-url = no section\n")]) == {}


def test_no_files_where_pip_reads_none() -> None:
    assert config_files({"PIP_CONFIG_FILE": os.devnull}) == []


def test_pip_itself_agrees(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "PIP_TIMEOUT": "9"}
    (tmp_path / ".config" / "pip").mkdir(parents=True)
    write(tmp_path / ".config" / "pip" / "pip.conf", "[global]\nfind-links = /a /b\n[install]\ntimeout = 4\n")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "config", "get"]
    listed = subprocess.run([*command, "global.find-links"], env=environ, capture_output=True, text=True, check=False)
    if "No module named pip" in listed.stderr:
        pytest.skip("pip is not installed beside this Python")
    assert pip_options(environ)["find-links"] == listed.stdout.strip()
    assert pip_options(environ)["timeout"] == "9"
