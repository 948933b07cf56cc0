"""A small world of packages that uv resolves and installs without any network."""

from __future__ import annotations

import http.server
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from compatmatrix import environment, resolve
from compatmatrix.environment import Environment
from compatmatrix.matrix import Matrix
from compatmatrix.resolve import Resolution
from tests.environment.packages import wheel

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass
class World:
    """Packages in a find-links directory, and the two steps under test."""

    root: Path
    links: Path
    environ: dict[str, str]
    companions: list[dict[str, str]] = field(default_factory=list)
    policy: dict[str, Any] = field(default_factory=dict)

    def resolve(self, *sources: dict[str, Any], substitute: str | None = None, **options: Any) -> Resolution:
        version: dict[str, Any] = {"id": "tested", "sources": list(sources)}
        if substitute:
            version["substitute"] = {"pypi": substitute, "why": "the nearest release"}
        matrix = Matrix.model_validate(
            {"python": PYTHON, "versions": [version], "companions": self.companions, "policy": self.policy}
        )
        return resolve.resolve(
            matrix.versions[0],
            matrix,
            root=self.root,
            environ=self.environ,
            **{"reachable": lambda url: False, **options},
        )

    def build(self, resolution: Resolution, **options: Any) -> Environment:
        return environment.build(resolution, self.root / "environments", environ=self.environ, **options)


@pytest.fixture(scope="session")
def links(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("links")
    for version in ("1.0", "1.1", "2.0", "3.0rc1"):
        wheel(folder, "transformers", version, ["tokenizers<2" if version < "2" else "tokenizers>=2"])
    for version in ("1.0", "2.0"):
        wheel(folder, "tokenizers", version)
    wheel(folder, "torch", "2.13.0+cpu")
    wheel(folder, "torch", "2.14.0", ["nvidia-cublas", "triton"])
    wheel(folder, "nvidia-cublas", "13.0")
    wheel(folder, "triton", "3.5")
    return folder


@pytest.fixture
def world(tmp_path: Path, links: Path) -> World:
    return World(
        root=tmp_path,
        links=links,
        environ={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "PIP_CONFIG_FILE": os.devnull,
            "UV_NO_INDEX": "1",
            "UV_FIND_LINKS": str(links),
            "UV_CACHE_DIR": str(tmp_path / "cache"),
        },
    )


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the tests' output is for failures."""


@pytest.fixture
def index(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A directory served over loopback, and its address: the simple index of PEP 503 is plain files."""
    folder = tmp_path / "index"
    folder.mkdir()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()
