"""The build: its cache key, its reading of torch's own files, its messages. Nothing is compiled here."""

from pathlib import Path

import pytest

from virtualcuda import operator_table, toolchain
from virtualcuda.errors import UnsuitableTorchError
from virtualcuda.sizes import parse_size
from virtualcuda.torch_build import TorchBuild, find_torch

pytestmark = pytest.mark.torch


def fake_torch(directory: Path, **values: str) -> Path:
    torch = directory / "torch"
    (torch / "lib").mkdir(parents=True)
    lines = {"__version__": "'9.9.0+cpu'", "cuda": "None", "git_version": "'abc'", **values}
    (torch / "version.py").write_text(
        "from typing import Optional\n" + "".join(f"{name}: Optional[str] = {value}\n" for name, value in lines.items())
    )
    return torch


def test_find_torch(tmp_path: Path) -> None:
    found = find_torch(fake_torch(tmp_path))
    assert (found.version, found.commit) == ("9.9.0+cpu", "abc")


@pytest.mark.parametrize(("name", "words"), [("cuda", "a build for CUDA 12.6"), ("hip", "a build for HIP 12.6")])
def test_builds_for_cards_are_refused(tmp_path: Path, name: str, words: str) -> None:
    with pytest.raises(UnsuitableTorchError, match=f"{words}.*install a CPU-only build"):
        find_torch(fake_torch(tmp_path, **{name: "'12.6'"}))


def test_a_cuda_library_is_refused(tmp_path: Path) -> None:
    torch = fake_torch(tmp_path)
    (torch / "lib" / "libtorch_cuda.so").touch()
    with pytest.raises(UnsuitableTorchError, match="libtorch_cuda"):
        find_torch(torch)


def test_no_torch_there(tmp_path: Path) -> None:
    with pytest.raises(UnsuitableTorchError, match="is not an installed torch"):
        find_torch(tmp_path)


def test_the_cache_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUALCUDA_CACHE", str(tmp_path))
    made: list[Path] = []

    def compile_nothing(torch: TorchBuild, compiler: str, flags: list[str], table: str, library: Path) -> None:
        library.touch()
        made.append(library)

    monkeypatch.setattr(toolchain, "_compile", compile_nothing)
    torch = find_torch()
    first = toolchain.build()
    assert first.parent == tmp_path and torch.version in first.name
    assert toolchain.build() == first and made == [first]
    other = toolchain.build(torch._replace(commit="another"))
    assert other != first and made == [first, other]
    assert toolchain.build(force=True) == first and made == [first, other, first]


def test_the_cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIRTUALCUDA_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert toolchain.cache_directory() == tmp_path / "virtualcuda"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert toolchain.cache_directory() == tmp_path / ".cache" / "virtualcuda"


YAML = """
- func: mm(Tensor self, Tensor mat2) -> Tensor
  structured_delegate: mm.out

- func: mm.out(Tensor self, Tensor mat2, *, Tensor(a!) out) -> Tensor(a!)
  structured: True
  dispatch:
    CPU: mm_out_cpu
    CUDA: mm_out_cuda

- func: add.Tensor(Tensor self, Tensor other, *, Scalar alpha=1) -> Tensor
  device_check: NoCheck   # TensorIterator
  structured_delegate: add.out

- func: add.out(Tensor self, Tensor other, *, Scalar alpha=1, Tensor(a!) out) -> Tensor(a!)
  device_check: NoCheck   # TensorIterator
  structured: True
  ufunc_inner_loop:
    Generic: add (AllAndComplex, BFloat16, Half, ComplexHalf)

- func: index_select(Tensor self, int dim, Tensor index) -> Tensor
  dispatch:
    CPU, QuantizedCPU: index_select_cpu_
    CUDA, QuantizedCUDA: index_select_cuda

- func: histogram.bins_tensor(Tensor self, Tensor bins) -> (Tensor hist, Tensor bin_edges)
  dispatch:
    CPU, MPS: histogram

- func: ones(SymInt[] size) -> Tensor
  dispatch:
    CompositeExplicitAutograd: ones
"""


def test_operator_table(tmp_path: Path) -> None:
    path = tmp_path / "native_functions.yaml"
    path.write_text(YAML)
    rows = list(operator_table.table_rows(operator_table.read_operators(path)))
    assert rows == [
        '{"aten::mm", Check::exact, "wrapper_CUDA_mm"},',
        '{"aten::mm.out", Check::exact, "wrapper_CUDA_mm"},',
        '{"aten::add.Tensor", Check::iterator, "wrapper_CUDA_add_Tensor"},',
        '{"aten::add.out", Check::iterator, "wrapper_CUDA_add"},',
        '{"aten::index_select", Check::exact, "wrapper_CUDA__index_select"},',
        '{"aten::histogram.bins_tensor", Check::absent, "wrapper_CUDA_bins_tensor_histogram"},',
    ]
    with pytest.raises(ValueError, match="does not look like"):
        operator_table.render(path)


def test_the_table_of_this_torch() -> None:
    table = operator_table.render(find_torch().operators)
    assert '{"aten::addmm", Check::exact, "wrapper_CUDA_addmm"},' in table
    assert '{"aten::where.self", Check::iterator,' in table


@pytest.mark.parametrize(
    ("text", "size"),
    [(512, 512), ("512", 512), ("64MiB", 64 << 20), ("1.5 GiB", 3 << 29), ("2gb", 2 * 10**9), (".5KiB", 512), (0, 0)],
)
def test_sizes(text: int | str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "MiB", "64 MB B", "-1", -1, True, "1e9"])
def test_wrong_sizes(text: int | str) -> None:
    with pytest.raises(ValueError, match="size"):
        parse_size(text)
