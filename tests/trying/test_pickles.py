"""Pickled weight files: harmless ones are known, every other is refused, and none is ever run."""

import builtins
import io
import os
import pickle
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compatmatrix.trying import pickles
from tests.trying.files import legacy, state_dict, zipped

PLANTED = "planted"


class Evil:
    """Unpickled, it makes a file."""

    def __reduce__(self) -> Any:
        return os.mkdir, (PLANTED,)


def look(directory: Path, data: bytes) -> pickles.Looked:
    path = directory / "pytorch_model.bin"
    path.write_bytes(data)
    return pickles.look(path)


@pytest.fixture(autouse=True)
def _nothing_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / PLANTED).exists()


@pytest.mark.parametrize("wrap", [zipped, legacy])
def test_what_torch_saves_is_harmless(tmp_path: Path, wrap: Any) -> None:
    found = look(tmp_path, wrap(state_dict("model.w", "BFloat16")))
    assert "model.w" in found.texts
    assert found.stored == "bfloat16"
    assert found.storages == {"bfloat16": 4}


def test_the_dtype_is_that_of_most_numbers(tmp_path: Path) -> None:
    found = look(tmp_path, zipped(state_dict("a", "Float", 3)))
    look_again = look(tmp_path, zipped(state_dict("a", "Half", 200)))
    found.storages.update(look_again.storages)
    assert found.stored == "float16"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("wrap", [zipped, legacy])
def test_a_pickle_that_runs_code_is_refused_by_name(tmp_path: Path, wrap: Any, protocol: int) -> None:
    evil = pickle.dumps({"w": Evil()}, protocol)
    (tmp_path / "check").mkdir()
    with pytest.raises(pickles.PickleRefusedError, match=r"it names (posix|nt|os)\.mkdir"):
        look(tmp_path, wrap(evil))


def test_the_planted_pickle_would_have_run(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Evil()))
    (tmp_path / PLANTED).rmdir()


_MODULES = ("os", "subprocess", "builtins", "torch", "torch.hub", "collections", "numpy", "runpy", "torch._utils")


@given(module=st.sampled_from(_MODULES), name=st.text(st.characters(categories=["Ll", "Lu"]), min_size=1, max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_no_other_global_passes(tmp_path: Path, module: str, name: str) -> None:
    known = f"{module}.{name}" in ("collections.OrderedDict", "torch.Size", "torch.bool")
    data = zipped(f"c{module}\n{name}\n.".encode())
    if known or not name.isascii():
        return
    with pytest.raises(pickles.PickleRefusedError, match="would run code"):
        look(tmp_path, data)


@pytest.mark.parametrize("name", ["eval", "exec", "getattr", "__import__"])
def test_builtins_are_refused(tmp_path: Path, name: str) -> None:
    assert getattr(builtins, name)
    with pytest.raises(pickles.PickleRefusedError, match=f"builtins.{name}"):
        look(tmp_path, zipped(f"cbuiltins\n{name}\n(tR.".encode()))


@pytest.mark.parametrize(
    "opcodes",
    [
        b"(ios\nsystem\n.",  # INST names it in its own way
        b"(cos\nsystem\no.",  # OBJ
        b"\x80\x02\x82\x01.",  # EXT1: a number that stands for a global
        b"\x80\x04\x8c\x02osN0\x8c\x06system\x93.",  # STACK_GLOBAL, its names apart
        b"\x80\x04\x8c\x02os\x8c\x06system\x8c\x01x00\x93.",  # and behind another text
        b"\x80\x04K\x01\x93.",
    ],
)
def test_a_global_that_is_hidden_is_refused(tmp_path: Path, opcodes: bytes) -> None:
    with pytest.raises(pickles.PickleRefusedError, match="would run code"):
        look(tmp_path, zipped(opcodes))


def test_a_memoized_name_is_seen(tmp_path: Path) -> None:
    data = b"\x80\x04\x8c\x02os\x940\x8c\x06system\x940h\x00h\x01\x93."
    with pytest.raises(pickles.PickleRefusedError, match=r"it names os\.system"):
        look(tmp_path, zipped(data))


def test_a_protocol_of_today_is_read(tmp_path: Path) -> None:
    data = b"\x80\x04\x8c\x0bcollections\x94\x8c\x0bOrderedDict\x94\x93\x94)R\x94."
    assert look(tmp_path, zipped(data)).globals == {"collections.OrderedDict"}


def test_a_file_is_read_as_torch_reads_it(tmp_path: Path) -> None:
    """An archive behind a pickle: who looks at its end sees harmless weights, torch reads its beginning."""
    both = legacy(pickle.dumps(Evil(), 2)) + zipped(state_dict())
    assert zipfile.is_zipfile(io.BytesIO(both))
    with pytest.raises(pickles.PickleRefusedError, match="would run code"):
        look(tmp_path, both)


def test_every_pickle_of_the_old_format_is_looked_at(tmp_path: Path) -> None:
    evil, small = pickle.dumps(Evil(), 2), b"\x80\x02K\x01."
    for position in range(5):
        parts = [small] * 5
        parts[position] = evil
        with pytest.raises(pickles.PickleRefusedError, match="would run code"):
            look(tmp_path, b"".join(parts))


def test_archives_that_are_no_weights(tmp_path: Path) -> None:
    with pytest.raises(pickles.PickleRefusedError, match="TorchScript"):
        look(tmp_path, zipped(state_dict(), constants_pkl=b"."))
    with pytest.raises(pickles.PickleRefusedError, match="2 pickles"):
        look(tmp_path, zipped(state_dict(), other_PKL=pickle.dumps(Evil())))
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        entry = tarfile.TarInfo("storages")
        archive.addfile(entry, io.BytesIO(b""))
    with pytest.raises(pickles.PickleRefusedError, match="tar archive"):
        look(tmp_path, stream.getvalue())


@pytest.mark.parametrize("wrap", [zipped, legacy])
@given(part=st.floats(min_value=0.01, max_value=0.8))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_a_part_of_a_file_is_told(tmp_path: Path, wrap: Any, part: float) -> None:
    whole = wrap(state_dict())
    with pytest.raises(pickles.PickleRefusedError, match="cut off"):
        look(tmp_path, whole[: int(len(whole) * part)])


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_noise_is_refused_and_nothing_else_happens(tmp_path: Path, noise: bytes) -> None:
    with pytest.raises(pickles.PickleRefusedError):
        look(tmp_path, noise)
