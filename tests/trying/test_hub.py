"""Ids of the hub: fetched with the user's token, which goes to the hub and nowhere else."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from compatmatrix.errors import InputError
from compatmatrix.trying import hub
from compatmatrix.trying.estimate import GIB
from tests.trying.files import LLAMA, checkpoint, safetensors
from tests.trying.hub_server import Hub

ROOT = Path(__file__).parents[2]
TOKEN = "hf_" + "abcdefghijklmnopqrstuvwxyz"
FILES = {
    "config.json": json.dumps(LLAMA).encode(),
    "model.safetensors": safetensors({"w": [1.0, 2.0]}),
    "pytorch_model.bin": b"never fetched where there are safetensors",
    "modeling_own.py": b"raise SystemExit",
    "README.md": b"#",
    "onnx/model.onnx": b"x",
    "tokenizer.json": b"{}",
}
_SCRIPT = """
import json, sys
from compatmatrix.errors import CompatmatrixError
from compatmatrix.trying import hub
given = json.loads(sys.argv[1])
try:
    found = hub.resolve(given["id"], revision=None, code=given["code"], room=given["room"], progress=print)
    print(json.dumps([str(found.directory), found.weights, sorted(p.name for p in found.directory.iterdir())]))
except CompatmatrixError as error:
    print(json.dumps([int(error.exit), str(error)]))
"""


def resolve(home: Path, address: str, token: str = "", **given: Any) -> tuple[Any, str]:
    """What a process that was started anew makes of an id, and everything that it printed."""
    pytest.importorskip("huggingface_hub")
    environ = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environ |= {"HF_HOME": str(home), "HF_ENDPOINT": address, "PYTHONPATH": str(ROOT / "src"), "NO_PROXY": "127.0.0.1"}
    if token:
        environ["HF_TOKEN"] = token
    asked = json.dumps({"id": "owner/name", "code": False, "room": GIB, **given})
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, asked], env=environ, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr


def test_an_id_becomes_a_directory(tmp_path: Path) -> None:
    with Hub({"owner/name": FILES}) as server:
        (directory, weights, files), _ = resolve(tmp_path, server.address)
        assert weights
        assert files == ["config.json", "model.safetensors", "tokenizer.json"]
        assert (Path(directory) / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    # Where the hub cannot be reached, what was fetched serves.
    (again, _, _), _ = resolve(tmp_path, server.address)
    assert again == directory


def test_code_is_fetched_only_where_it_may_be_run(tmp_path: Path) -> None:
    with Hub({"owner/name": FILES}) as server:
        (_, _, files), _ = resolve(tmp_path, server.address, code=True)
    assert "modeling_own.py" in files


def test_weights_that_do_not_fit_stay_where_they_are(tmp_path: Path) -> None:
    with Hub({"owner/name": FILES}) as server:
        (_, weights, files), _ = resolve(tmp_path, server.address, room=3)
    assert (weights, files) == (False, ["config.json", "tokenizer.json"])
    assert not {"model.safetensors", "pytorch_model.bin"} & set(server.fetched)


def test_the_token_goes_to_the_hub_and_nowhere_else(tmp_path: Path) -> None:
    with Hub({"owner/name": FILES}, gated="owner/name") as server:
        (status, message), _ = resolve(tmp_path, server.address)
        assert status == 2
        assert "conditions must be accepted" in message
        (_, weights, _), printed = resolve(tmp_path, server.address, TOKEN)
    assert weights
    assert f"Bearer {TOKEN}" in server.tokens
    assert TOKEN not in printed
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert not kept


def test_what_the_hub_does_not_have(tmp_path: Path) -> None:
    with Hub({"owner/other": FILES}) as server:
        (status, message), _ = resolve(tmp_path, server.address)
    assert status == 2
    assert "no such directory here, and no such model on the hub" in message
    assert "set HF_TOKEN" in message


def test_a_hub_that_cannot_be_reached(tmp_path: Path) -> None:
    (status, message), _ = resolve(tmp_path, "http://127.0.0.1:9")
    assert status == 5
    assert "the hub cannot be reached" in message


def test_a_directory_goes_before_an_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint(tmp_path / "owner" / "name")
    found = hub.resolve("owner/name", revision=None, code=False, room=0, progress=pytest.fail)
    assert (found.directory, found.weights) == (Path("owner/name"), True)


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"compatmatrix\[hub\]"):
        hub.resolve("owner/name", revision=None, code=False, room=0, progress=print)


@pytest.mark.parametrize("given", ["./no/such", "/no/such", "../x", "a/b/c", "no such", "模型"])
def test_what_is_no_id(given: str) -> None:
    with pytest.raises(InputError, match="there is no such directory"):
        hub.resolve(given, revision=None, code=False, room=0, progress=pytest.fail)
