"""`compatmatrix try` as a user runs it, in one real version: right checkpoints, damaged ones, foreign code."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.trying.files import index, zipped

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
VERSION = "4.46.3"


@dataclass(frozen=True)
class Place:
    """A state directory with one environment, and checkpoints that were made in it."""

    state: Path
    checkpoints: Path

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "compatmatrix", *arguments, "--state", str(self.state)]
        environ = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "NO_COLOR": "1", "COLUMNS": "120"}
        return subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)

    def tried(self, name: str, *arguments: str) -> tuple[int, Any]:
        """The exit status, and the answer as data; what was said instead where there is none."""
        given = [str(self.checkpoints / name), "--versions", VERSION, "--format", "json", *arguments]
        done = self.run("try", *given)
        return done.returncode, json.loads(done.stdout) if done.stdout else done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("try")
    one = Place(directory / "state", directory / "checkpoints")
    one.checkpoints.mkdir()
    built = one.run("environment", VERSION)
    assert built.returncode == 0, built.stderr
    python = built.stdout.split()[-1]
    maker = ROOT / "tests" / "trying" / "make_checkpoints.py"
    subprocess.run([python, str(maker), str(ROOT), str(one.checkpoints)], check=True, capture_output=True, text=True)
    yield one
    shutil.rmtree(directory, ignore_errors=True)


def outcomes(told: Any) -> dict[str, str]:
    return {cell["cell"]: cell["outcome"] for cell in told["cells"]}


def test_a_sharded_one_whose_name_has_spaces_and_chinese_letters(place: Place) -> None:
    cells = (
        "--cells",
        "config",
        "--cells",
        "load",
        "--cells",
        "generate",
        "--cells",
        "plan[LlamaForCausalLM,cpu+disk]",
    )
    status, told = place.tried("模型 with spaces", *cells)
    assert status == 0, told
    assert told["answer"] == f"Works in {VERSION}; use transformers=={VERSION}."
    assert set(outcomes(told).values()) == {"pass"}
    assert len(outcomes(told)) == 10
    assert told["use"] == f"transformers=={VERSION}"
    constraints = next(Path(path) for path in told["pin"] if path.endswith("constraints.txt"))
    assert f"transformers=={VERSION}" in constraints.read_text(encoding="utf-8")
    report = Path(told["report"])
    assert "模型" in str(report)
    assert "given" in report.read_text(encoding="utf-8")


def test_it_is_known_the_second_time_and_tells_it_in_words(place: Place) -> None:
    path = str(place.checkpoints / "模型 with spaces")
    done = place.run("try", path, "--versions", VERSION, "--cells", "config")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0] == f"Of what was selected: works in {VERSION}."
    assert "selected" in done.stdout.split("report")[1]
    assert "all taken from the store" in done.stderr


def test_pickled_shards_and_a_tokenizer(place: Place) -> None:
    status, told = place.tried("pickled", "--cells", "load[LlamaForCausalLM,default]", "--cells", "tokenizer")
    assert (status, set(outcomes(told).values())) == (0, {"pass"}), told


def test_a_file_with_nan_is_told_of_and_no_version_is_blamed(place: Place) -> None:
    status, told = place.tried("nan", "--cells", "load[LlamaForCausalLM,default]")
    assert status == 0, told
    assert outcomes(told) == {"given/load[LlamaForCausalLM,default]": "pass"}
    assert told["answer"] == (
        f"Of what was selected: works in {VERSION}; "
        "the file itself holds 2 numbers that are not finite (in model.norm.weight); its outputs were not judged."
    )


def test_a_tokenizer_that_the_model_has_too_few_rows_for(place: Place) -> None:
    status, told = place.tried("nan", "--cells", "tokenizer")
    assert status == 3, told
    assert told["answer"] == f"Of what was selected: {VERSION} loads it WRONG (ids without a row)."


def test_foreign_code_runs_only_when_it_is_trusted(place: Place) -> None:
    planted = place.checkpoints / "planted"
    cells = ("--cells", "config", "--cells", "load[AutoModelForCausalLM,default]")
    status, told = place.tried("own code", *cells)
    assert status == 3, told
    assert "which runs only with --trust-remote-code" in told["answer"]
    assert set(outcomes(told).values()) == {"unsupported"}
    assert not planted.exists()
    status, told = place.tried("own code", *cells, "--trust-remote-code")
    assert (status, set(outcomes(told).values())) == (0, {"pass"}), told
    assert planted.exists()


def test_what_does_not_fit_is_placed_and_not_loaded(place: Place) -> None:
    status, told = place.tried("pickled", "--memory", "1", "--cells", "config", "--cells", "placement[1x24]")
    assert status == 5, told
    assert told["answer"].startswith("Of what was selected: not loaded here: it needs 1.0 GiB as it is stored")
    assert outcomes(told) == {"given/config": "pass", "given/placement[1x24]": "pass"}
    assert told["use"] is None


def _damaged(place: Place, name: str) -> Path:
    directory = place.checkpoints / name
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(place.checkpoints / "模型 with spaces", directory)
    return directory


SHARD = "model-00002-of-00003.safetensors"


def test_a_shard_that_is_cut_off(place: Place) -> None:
    shard = _damaged(place, "cut off") / SHARD
    shard.write_bytes(shard.read_bytes()[:-7])
    status, told = place.tried("cut off")
    assert status == 2
    assert f"{SHARD}: is cut off" in told


def test_a_shard_that_is_missing(place: Place) -> None:
    (_damaged(place, "missing") / SHARD).unlink()
    status, told = place.tried("missing")
    assert status == 2
    assert f"model.safetensors.index.json: names {SHARD}, which is missing" in told


def test_an_index_that_is_wrong(place: Place) -> None:
    directory = _damaged(place, "wrong index")
    path = directory / "model.safetensors.index.json"
    told_by_file = json.loads(path.read_text(encoding="utf-8"))["weight_map"]
    path.write_text(json.dumps(index({**told_by_file, "model.norm.weight": SHARD})), encoding="utf-8")
    status, told = place.tried("wrong index")
    assert status == 2
    assert f"says that {SHARD} holds 'model.norm.weight'; it does not" in told


class Evil:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (self.path,)


def test_a_pickle_that_runs_code_is_refused_and_does_not_run(place: Place) -> None:
    planted, directory = place.checkpoints / "planted by a pickle", _damaged(place, "evil")
    (directory / "pytorch_model.bin").write_bytes(zipped(pickle.dumps(Evil(str(planted)), 2)))
    status, told = place.tried("evil", "--trust-remote-code")
    assert status == 2
    assert "pytorch_model.bin: would run code when it is read: it names posix.mkdir" in told
    assert not planted.exists()
    pickle.loads(pickle.dumps(Evil(str(planted))))
    assert planted.exists()
