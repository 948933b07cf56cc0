"""Which releases there are: every kind of index that pip can be configured with, and none of them silently missing."""

from __future__ import annotations

import http.server
import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compatmatrix.errors import EnvironmentFailure, SelectionError
from compatmatrix.releases import Release, find, latest_of_minor
from tests.environment.packages import wheel

BARE = {"PIP_CONFIG_FILE": os.devnull}


def page(folder: Path, *files: tuple[str, str]) -> None:
    """A page of the simple index: file name and further attributes."""
    folder.mkdir(parents=True, exist_ok=True)
    links = "".join(f'<a href="{name}"{attributes}>{name}</a>\n' for name, attributes in files)
    (folder / "index.html").write_text(f"<!doctype html><html><body>\n{links}</body></html>")


def name(version: str) -> str:
    return f"transformers-{version}-py3-none-any.whl"


def test_a_directory_of_wheels(tmp_path: Path) -> None:
    for version in ("1.10", "1.9", "2.0rc1", "2.0"):
        wheel(tmp_path, "transformers", version)
    wheel(tmp_path, "another", "1.5")
    environ = {**BARE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    assert [each.version for each in find("transformers", ">=1", environ=environ)] == ["1.9", "1.10", "2.0"]
    found = find("transformers", ">1.9", environ=environ, prereleases=True)
    assert [each.version for each in found] == ["1.10", "2.0rc1", "2.0"]


def test_a_local_index_and_its_yanked_releases(tmp_path: Path) -> None:
    page(
        tmp_path / "transformers",
        (name("1.0"), ""),
        (name("1.1"), ' data-yanked="it &lt;loses&gt; weights"'),
        (name("1.2"), ' data-yanked=""'),
        (name("1.3"), ' data-yanked="one file only"'),
        ("transformers-1.3.tar.gz", ""),
    )
    found = find("transformers", "", environ={**BARE, "PIP_INDEX_URL": tmp_path.as_uri()})
    assert found == (
        Release(version="1.0"),
        Release(version="1.1", yanked="it <loses> weights"),
        Release(version="1.2", yanked="no reason given"),
        Release(version="1.3"),
    )


def test_releases_of_all_indexes_are_there_once(tmp_path: Path) -> None:
    page(tmp_path / "one" / "transformers", (name("1.0"), ""), (name("1.1"), ' data-yanked="x"'))
    page(tmp_path / "two" / "transformers", (name("1.1"), ""), (name("1.2"), ""))
    page(tmp_path / "three" / "another", ("another-9-py3-none-any.whl", ""))
    one, two, three = (tmp_path.joinpath(each).as_uri() for each in ("one", "two", "three"))
    environ = {**BARE, "PIP_INDEX_URL": one, "PIP_EXTRA_INDEX_URL": f"{two} {three}"}
    assert find("transformers", "", environ=environ) == tuple(Release(version=each) for each in ("1.0", "1.1", "1.2"))
    own = {**BARE, "UV_DEFAULT_INDEX": one, "UV_INDEX": f"named={two}"}
    assert len(find("transformers", "", environ=own)) == 3


def test_the_last_release_of_each_minor_version() -> None:
    listed = [
        *(Release(version=each) for each in ("4.9.0", "4.9.10", "4.9.9", "4.10.0", "5.0.0rc1", "5.0.0")),
        *(Release(version=each, yanked="broken") for each in ("4.9.11", "4.11.0", "4.11.1")),
        *(Release(version=each) for each in ("5.1.0rc1", "5.1.0rc2", "4.9.10+cpu")),
    ]
    found = latest_of_minor(listed)
    assert [each.version for each in found] == ["4.9.10", "4.10.0", "4.11.1", "5.0.0", "5.1.0rc2"]
    assert [each.yanked for each in found] == [None, None, "broken", None, None]
    assert latest_of_minor(()) == ()


class _Answers(http.server.BaseHTTPRequestHandler):
    status = 200
    content: Any = None

    def do_GET(self) -> None:
        text = json.dumps(self.content).encode()
        self.send_response(self.status)
        self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def answering() -> Iterator[tuple[type[_Answers], str]]:
    class Handler(_Answers):
        pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield Handler, f"http://127.0.0.1:{served.server_port}/simple"
        served.shutdown()
        thread.join()


def test_an_index_that_speaks_json_tells_dates(answering: tuple[type[_Answers], str]) -> None:
    handler, address = answering
    handler.content = {
        "meta": {"api-version": "1.1"},
        "files": [
            {"filename": name("1.0"), "url": f"files/{name('1.0')}", "upload-time": "2024-03-01T10:00:00.5Z"},
            {
                "filename": "transformers-1.0.tar.gz",
                "url": "files/transformers-1.0.tar.gz",
                "upload-time": "2024-02-28T10:00:00Z",
            },
            {"filename": name("1.1"), "url": f"files/{name('1.1')}", "yanked": True},
            {"filename": name("1.2"), "url": f"files/{name('1.2')}", "yanked": "broken"},
        ],
    }
    first, second, third = find("transformers", "", environ={**BARE, "PIP_INDEX_URL": address})
    assert (first.yanked, first.uploaded and first.uploaded.isoformat()) == (None, "2024-02-28T10:00:00+00:00")
    assert (second.yanked, third.yanked) == ("no reason given", "broken")


@pytest.mark.parametrize("status", [500, 503, 401, 403])
def test_an_index_that_refuses_is_not_an_empty_one(
    answering: tuple[type[_Answers], str], tmp_path: Path, status: int
) -> None:
    handler, address = answering
    handler.status = status
    wheel(tmp_path, "transformers", "1.0")
    address = address.replace("//", "//user:secret@")
    environ = {**BARE, "PIP_INDEX_URL": address, "PIP_FIND_LINKS": str(tmp_path)}
    with pytest.raises(EnvironmentFailure, match=str(status)) as caught:
        find("transformers", "", environ=environ)
    assert caught.value.reason == "unreachable"
    assert "secret" not in str(caught.value)


def test_an_index_out_of_reach(tmp_path: Path) -> None:
    wheel(tmp_path, "transformers", "1.0")
    environ = {**BARE, "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_FIND_LINKS": str(tmp_path)}
    with pytest.raises(EnvironmentFailure) as caught:
        find("transformers", "", environ=environ)
    assert caught.value.reason == "unreachable"
    with pytest.raises(EnvironmentFailure, match="no index may be used"):
        find("transformers", "", environ={**BARE, "PIP_NO_INDEX": "1"})


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    environ = {**BARE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "gone")}
    with pytest.raises(EnvironmentFailure) as caught:
        find("transformers", "", environ=environ)
    assert caught.value.reason == "unreachable"


def test_bad_input_is_told(tmp_path: Path) -> None:
    wheel(tmp_path, "transformers", "1.0")
    environ = {**BARE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path)}
    with pytest.raises(SelectionError, match="not a range of versions"):
        find("transformers", "4.36 and newer", environ=environ)
    with pytest.raises(SelectionError, match=r"the newest is 1\.0"):
        find("transformers", ">=4", environ=environ)
    with pytest.raises(SelectionError, match="no package"):
        find("absent", "", environ=environ)
