"""A zygote gives the children that use virtual cards the same rules as the plain ones, forked or not."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

import virtualcuda

pytest.importorskip("transformers")

pytestmark = pytest.mark.torch

PROBE = Path(virtualcuda.__file__).parents[1] / "compatprobe"
ROOT = Path(__file__).parent / "scenarios"
LOG = 1000


class Zygote:
    """The probe's ``serve``, spoken to as the host does."""

    def __init__(self, slot: Path, isolation: str, devices: int) -> None:
        self.slot = slot
        command = [sys.executable, "-I", str(PROBE), "serve", "--slot", str(slot), "--isolation", isolation]
        command += ["--virtual-cuda", str(devices), str(ROOT)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.wait_for("ready")

    def __enter__(self) -> "Zygote":
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()

    def wait_for(self, name: str) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event: dict[str, Any] = json.loads(line)
            if event["event"] == name:
                return event
        raise AssertionError(f"the zygote ended before it said {name!r}")

    def run(self, cell: str, memory: int = 4 << 30) -> tuple[dict[str, Any], str]:
        """The cell's record and log."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"cell": cell, "memory": memory, "log": LOG}) + "\n")
        self.process.stdin.flush()
        assert self.wait_for("exited") == {"event": "exited", "code": 0}
        record = json.loads((self.slot / "out" / "record.json").read_text(encoding="utf-8"))
        return record, (self.slot / "out" / "log").read_text(encoding="utf-8")


@pytest.fixture(scope="module", params=["fork", "spawn"])
def zygotes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Zygote, Zygote]]:
    """One without virtual cards and one with three, as a column that has both kinds of cells starts them."""
    directory = tmp_path_factory.mktemp("slots")
    with Zygote(directory / "plain", request.param, 0) as plain, Zygote(directory / "cards", request.param, 3) as cards:
        yield plain, cards


def facts(record: dict[str, Any], zygote: Zygote) -> dict[str, Any]:
    """What a child saw, without the name of its slot."""
    assert record["status"] == "done", record["message"]
    found: dict[str, Any] = json.loads(json.dumps(record["fingerprint"]).replace(str(zygote.slot), "<slot>"))
    return found


def test_children_with_cards_have_the_rules_of_the_plain_ones(zygotes: tuple[Zygote, Zygote]) -> None:
    plain, cards = zygotes
    record, log = plain.run("rules/sees[none]")
    expected = facts(record, plain)
    assert expected["poison"] == [True, True] and expected["cap"] and expected["session"] and expected["devices"] == 0
    assert "cards" not in expected
    assert expected["environment"]["PYTHONHASHSEED"] == "0"
    assert "bytes left out" in log and len(log) < LOG + 100
    for devices in (3, 2, 1, 2, 3):  # one zygote serves every number, in any order
        record, log = cards.run(f"rules/sees[{devices}]")
        found = facts(record, cards)
        assert found.pop("cards") == f"virtual ({devices})"
        assert found == {**expected, "devices": devices}
        assert "bytes left out" in log and len(log) < LOG + 100


def test_a_child_asks_for_cards_that_are_not_there(zygotes: tuple[Zygote, Zygote]) -> None:
    record, _ = zygotes[0].run("rules/sees[2]")
    assert (record["status"], record["message"]) == ("skipped", "needs virtual-cuda:2: there is none")


def test_the_memory_cap_holds_on_cards(zygotes: tuple[Zygote, Zygote]) -> None:
    for zygote, devices in zip(zygotes, ("none", "2"), strict=True):
        record, _ = zygote.run(f"rules/takes-too-much[{devices}]", memory=700 << 20)
        assert record["status"] == "raised"
        assert record["fingerprint"].get("cards") == (None if devices == "none" else "virtual (2)")
        assert "allocate memory" in record["message"], record["message"]  # as the host knows that memory ran out
        assert zygote.run(f"rules/takes-too-much[{devices}]")[0]["status"] == "done"
