"""A hub on this machine, as far as fetching a snapshot needs one; it notes the tokens that it was shown."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c" * 40


class Hub:
    """Within ``with``, ``address`` answers for repositories: id -> file -> bytes; ``gated`` ones want a token."""

    def __init__(self, repositories: Mapping[str, Mapping[str, bytes]], gated: str = "") -> None:
        self.repositories = repositories
        self.gated = gated
        self.tokens: list[str] = []
        self.fetched: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Hub:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self, body=True)

            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler

    def answer(self, request: BaseHTTPRequestHandler, *, body: bool) -> None:
        token = request.headers.get("Authorization", "")
        self.tokens.append(token)
        path = unquote(urlsplit(request.path).path).strip("/")
        id = next((id for id in self.repositories if id in path), "")
        if not id:
            return self._send(request, 404, b"{}", {"X-Error-Code": "RepoNotFound"}, body)
        if id == self.gated and not token:
            return self._send(request, 403, b"{}", {"X-Error-Code": "GatedRepo"}, body)
        files, rest = self.repositories[id], path.partition(id)[2].strip("/")
        if path.startswith("api/models/") and "tree" in rest:
            tree = [
                {"type": "file", "path": name, "size": len(data), "oid": _etag(data)} for name, data in files.items()
            ]
            return self._send(request, 200, json.dumps(tree).encode(), {}, body)
        if path.startswith("api/models/"):
            siblings = [{"rfilename": name, "size": len(data)} for name, data in files.items()]
            told = {"id": id, "sha": COMMIT, "siblings": siblings, "private": False, "tags": [], "downloads": 0}
            return self._send(request, 200, json.dumps(told).encode(), {}, body)
        name = rest.partition(f"resolve/{COMMIT}/")[2]
        if name not in files:
            return self._send(request, 404, b"", {"X-Error-Code": "EntryNotFound"}, body)
        if body:
            self.fetched.append(name)
        more = {"ETag": f'"{_etag(files[name])}"', "X-Repo-Commit": COMMIT}
        return self._send(request, 200, files[name], more, body)

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, data: bytes, more: Mapping[str, str], body: bool) -> None:
        request.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **more}.items():
            request.send_header(name, value)
        request.end_headers()
        if body:
            request.wfile.write(data)


def _etag(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
