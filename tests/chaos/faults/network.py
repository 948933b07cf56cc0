"""An index on the loopback that hangs, breaks, resets connections, truncates files, or gives wrong hashes."""

from __future__ import annotations

import hashlib
import http.server
import io
import random
import signal
import socket
import struct
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.chaos.campaign import fault
from tests.chaos.trial import Trial

Answer = Callable[["Index"], None]


class Index(http.server.BaseHTTPRequestHandler):
    """The simple API of an index over a directory of wheels, which answers as its server's ``trouble`` says."""

    server: Server

    def do_GET(self) -> None:
        trouble = self.server.trouble
        listing = not self.path.endswith(".whl")
        if trouble and self.server.where in ("", "listing" if listing else "download") and self.server.strikes():
            trouble(self)
        elif listing:
            self.answer(self.listing())
        else:
            self.answer(self.file())

    do_HEAD = do_GET

    def listing(self, *, wrong: bool = False) -> bytes:
        """The page of the package that is asked for: its files and their hashes."""
        links = []
        for path in sorted(self.server.wheels.glob(f"{self.path.strip('/').rpartition('/')[2]}-*.whl")):
            digest = hashlib.sha256(b"" if wrong else path.read_bytes()).hexdigest()
            links.append(f'<a href="/files/{path.name}#sha256={digest}">{path.name}</a>')
        return f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()

    def file(self) -> bytes:
        return (self.server.wheels / Path(self.path).name).read_bytes()

    def answer(self, body: bytes, *, status: int = 200, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/octet-stream" if self.path.endswith(".whl") else "text/html")
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def hangs(index: Index) -> None:
    index.server.gone.wait(60)
    index.close_connection = True


def breaks(index: Index) -> None:
    index.answer(b"an error", status=500)


def is_busy(index: Index) -> None:
    index.answer(b"come again", status=503)


def resets(index: Index) -> None:
    index.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    index.connection.close()
    index.close_connection = True


def truncates(index: Index) -> None:
    body = index.file() if index.path.endswith(".whl") else index.listing()
    index.answer(body[: len(body) // 2], length=len(body))
    index.close_connection = True


def lies(index: Index) -> None:
    """Wrong hashes in the listing; for a file, another wheel than was listed, with a library that answers wrongly."""
    index.answer(_forged(index.file()) if index.path.endswith(".whl") else index.listing(wrong=True))


def _forged(wheel: bytes) -> bytes:
    forged = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(wheel)) as true, zipfile.ZipFile(forged, "w") as false:
        for name in true.namelist():
            false.writestr(name, true.read(name).replace(b"return 7", b"return 8"))
    return forged.getvalue()


def talks_nonsense(index: Index) -> None:
    index.answer(b"\0\xff<a href=\n" * 9)


class Server(http.server.ThreadingHTTPServer):
    """The index as a server; ``strikes`` says whether this request is the one that goes wrong."""

    daemon_threads = True

    def __init__(self, wheels: Path, trouble: Answer, where: str, strikes: Callable[[], bool]) -> None:
        super().__init__(("127.0.0.1", 0), Index)
        self.wheels, self.where, self.strikes = wheels, where, strikes
        self.trouble: Answer | None = trouble
        self.asked = threading.Event()
        self.gone = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked has gone: that is the point."""

    def stop(self) -> None:
        self.gone.set()
        self.shutdown()
        self.server_close()


def _serve(trial: Trial, trouble: Answer, where: str, strikes: Callable[[], bool] = lambda: True) -> Server:
    """An index with a trouble; healed by its being well, and there for the next run as well."""

    def struck() -> bool:
        found = strikes()
        if found:
            server.asked.set()
            trial.struck = True
        return found

    server = Server(trial.world.index, trouble, where, struck)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    trial.close.callback(server.stop)
    trial.heal.callback(setattr, server, "trouble", None)
    for name in ("PIP_FIND_LINKS", "PIP_NO_INDEX"):
        trial.environ.pop(name)
    dead = "http://127.0.0.1:9"  # no other index may be asked
    trial.environ |= {
        "PIP_INDEX_URL": f"http://127.0.0.1:{server.server_port}/simple/",
        "PIP_TIMEOUT": "1",
        "UV_HTTP_RETRIES": "1",
        "UV_CACHE_DIR": str(trial.directory.parent / "cache"),
        **dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), dead),
        **dict.fromkeys(("no_proxy", "NO_PROXY"), "127.0.0.1,localhost"),
    }
    trial.tells = ("unreachable", "install-failed", "build-failed", "conflict", "no-such-release")
    return server


def _trouble(trial: Trial, trouble: Answer, where: str) -> None:
    _serve(trial, trouble, where)
    trial.start().end()


@fault("the index hangs", "listing", "download", base="fresh")
def index_hangs(trial: Trial, stage: str) -> None:
    _trouble(trial, hangs, stage)


@fault("the index hangs, and the host is ended meanwhile", "kill -9", "Ctrl-C", base="fresh")
def index_hangs_and_host_goes(trial: Trial, stage: str) -> None:
    server = _serve(trial, hangs, trial.dice.choice(("listing", "download")))
    trial.environ["PIP_TIMEOUT"] = "60"
    trial.heal.callback(trial.environ.update, PIP_TIMEOUT="1")
    run = trial.start()
    if server.asked.wait(20):
        trial.pause(0.1)
        run.send(signal.SIGKILL if stage == "kill -9" else signal.SIGINT, group=stage == "Ctrl-C")


@fault("the index answers 500", "listing", "download", base="fresh")
def index_breaks(trial: Trial, stage: str) -> None:
    _trouble(trial, breaks, stage)


@fault("the index answers 503 to every other request, or one request", "often", "once", base="fresh")
def index_is_busy(trial: Trial, stage: str) -> None:
    dice = random.Random(trial.dice.random())
    once = iter([True])
    often = lambda: dice.random() < 0.5  # noqa: E731
    _serve(trial, is_busy, "", often if stage == "often" else lambda: next(once, False))
    trial.start().end()


@fault("the index resets connections", "listing", "download", base="fresh")
def index_resets(trial: Trial, stage: str) -> None:
    _trouble(trial, resets, stage)


@fault("the index cuts off what it sends", "listing", "download", base="fresh")
def index_truncates(trial: Trial, stage: str) -> None:
    _trouble(trial, truncates, stage)


@fault("the index lists wrong hashes, or serves other bytes than it lists", "listing", "download", base="fresh")
def index_lies(trial: Trial, stage: str) -> None:
    _trouble(trial, lies, stage)


@fault("the index answers nonsense", "listing", "download", base="fresh")
def index_talks_nonsense(trial: Trial, stage: str) -> None:
    _trouble(trial, talks_nonsense, stage)
