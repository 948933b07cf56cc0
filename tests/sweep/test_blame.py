"""Blame: a tiny transformers whose answer depends on what stands beside it, from an index that tells dates."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compatmatrix.errors import Exit
from tests.e2e.conftest import Project
from tests.e2e.packages import behaviours
from tests.wheels import write_wheel

CELL = "tiny/load[plain]"
BODY = "import accelerate; return accelerate.VALUE"
#: version of accelerate -> what it makes of the answer, and when it was uploaded
ACCELERATE = {"0.9.0": (7, "2020-01-01"), "1.0.0": (8, "2025-01-01"), "1.2.0": (8, "2026-01-01")}


class Index:
    """A JSON index with upload dates over a directory of wheels."""

    def __init__(self, folder: Path, dates: dict[str, str]) -> None:
        self.folder, self.dates = folder, dates

    def page(self, package: str, address: str) -> bytes | None:
        files = [path for path in sorted(self.folder.glob("*.whl")) if path.name.partition("-")[0] == package]
        entries = [
            {
                "filename": path.name,
                "url": f"{address}/files/{path.name}",
                "hashes": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
                "upload-time": self.dates.get(path.name.rpartition("-py3")[0], "2019-01-01") + "T00:00:00Z",
            }
            for path in files
        ]
        if not entries:
            return None
        return json.dumps({"meta": {"api-version": "1.1"}, "name": package, "files": entries, "versions": []}).encode()


@pytest.fixture
def dated(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "wheels"
    folder.mkdir()
    write_wheel(folder, "torch", "1.0.0", {"torch/__init__.py": behaviours.TORCH})
    dates = {"transformers-1.0.0": "2021-06-01"}
    for version, (value, date) in ACCELERATE.items():
        text = f"__version__ = {version!r}\nVALUE = {value}\n"
        write_wheel(folder, "accelerate", version, {"accelerate/__init__.py": text})
        dates[f"accelerate-{version}"] = date
    text = behaviours.TEMPLATE.format(version="1.0.0", body=BODY)
    write_wheel(folder, "transformers", "1.0.0", {"transformers/__init__.py": text})
    served = Index(folder, dates)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            address = f"http://{self.headers['Host']}"
            kind, _, name = self.path.strip("/").partition("/")
            content = served.page(name, address) if kind == "simple" else (folder / name).read_bytes()
            self.send_response(200 if content else 404)
            media = "application/vnd.pypi.simple.v1+json" if kind == "simple" else "application/octet-stream"
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(content or b"")

        do_HEAD = do_GET

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/simple"
        server.shutdown()
        thread.join()


def blame(project: Project, *options: str, status: int = 0) -> str:
    project.write_matrix([{"id": "1.0.0", "sources": [{"pypi": "1.0.0"}]}])
    found, output = project.run("compatmatrix", "blame", CELL, *options)
    assert found == status, output
    assert "Traceback" not in output
    return output


def test_the_companion_that_makes_it_well_is_named_and_the_era_is_shown(project: Project, dated: str) -> None:
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
        del project.environ[name]
    # PyTorch's own index is out of this world.
    project.environ |= {"PIP_INDEX_URL": dated, "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": ""}
    output = blame(project, "--version", "1.0.0", "--package", "accelerate", "--package", "torch")
    assert "in 1.0.0, today: wrong" in output
    assert "accelerate 1.0.0 → 0.9.0 (oldest): pass" in output
    assert "accelerate 1.0.0 → 1.2.0 (newest): wrong" in output
    assert "torch 1.0.0 is the oldest that fits" in output
    assert "well with accelerate 0.9.0 instead of 1.0.0: not transformers alone" in output
    assert "as shipped (2021-06-01; torch 1.0.0, accelerate 0.9.0): pass" in output


def test_transformers_itself(project: Project) -> None:
    project.write_matrix([{"id": "1.0.0", "sources": [{"pypi": "1.0.0"}]}])
    status, output = project.run("compatmatrix", "blame", CELL, "--version", "1.0.2")
    assert status == 0, output
    assert "accelerate 1.0.0 is the newest that fits" in output
    assert "no single one of these packages makes it well: transformers itself, or several together" in output
    assert "as shipped: the index tells no upload dates" in output


def test_what_cannot_be_blamed_is_told(project: Project) -> None:
    output = blame(project, "--version", "1.0.0", status=Exit.INPUT)
    assert "there is nothing to blame" in output
    for number in (">=1", ""):
        assert f"{number!r} is not a release number" in blame(project, "--version", number, status=Exit.INPUT)
    output = blame(project, "--version", "1.0.2", "--package", "absent", status=Exit.INPUT)
    assert "there are: accelerate, torch" in output
