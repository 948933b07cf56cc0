"""Nothing runs silently that a virtual device cannot do: the error names the operator."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

pytestmark = pytest.mark.torch


def x(*size: int) -> Any:
    return torch.randn(*size or (4,), device="cuda:0")


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    # CUDA has no kernel, so a real card refuses as well
    "no CUDA kernel": (lambda: torch.histogram(x(), 3), "Could not run 'aten::histogram.bin_ct'.*'CUDA' backend"),
    "mkldnn": (lambda: x().to_mkldnn(), "Could not run 'aten::to_mkldnn'|to_mkldnn"),
    "integer matmul": (lambda: x(2, 2).long() @ x(2, 2).long(), "\"addmm_cuda\" not implemented for 'Long'"),
    "integer bmm": (lambda: x(1, 2, 2).int() @ x(1, 2, 2).int(), "\"baddbmm_cuda\" not implemented for 'Int'"),
    "integer matrix-vector": (lambda: x(2, 2).int() @ x(2).int(), "\"addmv_impl_cuda\" not implemented for 'Int'"),
    "integer dot": (lambda: torch.dot(x().long(), x().long()), "\"dot\" not implemented for 'Long'"),
    "integer convolution": (
        lambda: F.conv1d(x(1, 1, 4).long(), x(1, 1, 2).long()),
        r"getCudnnDataTypeFromScalarType\(\) not supported for Long",
    ),
    "integer convolution, transposed": (
        lambda: F.conv_transpose3d(x(1, 1, 2, 2, 2).long(), x(1, 1, 2, 2, 2).long()),
        r"getCudnnDataTypeFromScalarType\(\) not supported for Long",
    ),
    "integer pooling": (
        lambda: F.max_pool2d(x(1, 1, 4, 4).int(), 2),
        "\"max_pool2d_with_indices_out_cuda_frame\" not implemented for 'Int'",
    ),
    "half histogram": (lambda: torch.histc(x().bfloat16(), 2), "\"histc\" not implemented for 'BFloat16'"),
    "products of bool by index": (
        lambda: x().bool().scatter_reduce(0, torch.zeros(4, dtype=torch.long, device="cuda:0"), x().bool(), "prod"),
        "not implemented for 'Bool'",
    ),
    "softmax that widens another dtype": (
        lambda: torch.ops.aten._softmax(x().bfloat16(), 0, True),
        "conversion is supported for Half type only",
    ),
    "the backward of a softmax that widened another dtype": (
        lambda: torch.ops.aten._softmax_backward_data(x(), x(), 0, torch.bfloat16),
        "expected input and grad types to match, or input to be at::Half and grad to be at::Float",
    ),
    # a real card could, this cannot
    "only CUDA has it": (
        lambda: torch.nn.LSTM(4, 4, device="cuda:0")(x(3, 1, 4)),
        "virtualcuda cannot run aten::_thnn_fused_lstm_cell",
    ),
    "fused attention": (
        lambda: torch.ops.aten._scaled_dot_product_efficient_attention(*[x(1, 1, 4, 8)] * 3, None, False),
        "virtualcuda cannot run aten::_scaled_dot_product_efficient_attention",
    ),
    "sparse": (lambda: x(3, 3).to_sparse(), "to_sparse"),
    "quantized": (lambda: torch.quantize_per_tensor(x(), 0.1, 0, torch.qint8), "quantize"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore")
def test_refused(name: str) -> None:
    function, message = REFUSED[name]
    with pytest.raises((RuntimeError, NotImplementedError), match=message):
        function()


NOTHING_TO_COMPUTE: dict[str, Callable[[], Any]] = {
    "no row": lambda: x(0, 3).long() @ x(3, 2).long(),
    "nothing to sum": lambda: x(2, 0).long() @ x(0, 2).long(),
    "no batch": lambda: torch.bmm(x(0, 2, 2).int(), x(0, 2, 2).int()),
    "no picture": lambda: F.conv2d(x(0, 1, 4, 4).long(), x(1, 1, 2, 2).long()),
    "the size that it has": lambda: F.interpolate(x(1, 1, 4, 4).byte(), size=(4, 4), mode="bilinear"),
    "a wider operand": lambda: torch.special.gammainc(x().abs().half(), x().abs()),
}


@pytest.mark.parametrize("name", NOTHING_TO_COMPUTE)
def test_a_dtype_that_cudas_kernel_never_comes_to_see(name: str) -> None:
    assert NOTHING_TO_COMPUTE[name]().is_cuda


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("aten::special_zeta.out", lambda: torch.special.zeta(x().bfloat16(), x().bfloat16())),
        ("aten::_cdist_forward", lambda: torch.cdist(x(2, 2).half(), x(2, 2).half())),
    ],
)
def test_a_dtype_that_the_cpus_kernel_lacks(name: str, call: Callable[[], Any]) -> None:
    """The first words are torch's; what follows names the operator, and says whose kernel it was."""
    with pytest.raises(NotImplementedError, match=r"not implemented for '(BFloat16|Half)'") as caught:
        call()
    assert f"virtualcuda runs {name} with the CPU's kernel" in str(caught.value)


def test_an_operator_without_any_kernel_for_the_cpu() -> None:
    """As another package registers its own for CUDA only: the error names it."""
    library = torch.library.Library("virtualcuda_test", "DEF")
    library.define("only_cuda(Tensor x) -> Tensor")
    with pytest.raises(NotImplementedError, match="virtualcuda_test::only_cuda"):
        torch.ops.virtualcuda_test.only_cuda(x(3))


def test_no_such_device() -> None:
    for wrong in ("cuda:3", "cuda:9"):
        with pytest.raises(RuntimeError, match="CUDA error: invalid device ordinal"):
            torch.zeros(1, device=wrong)
    with pytest.raises(RuntimeError, match="invalid device ordinal"):
        torch.cuda.set_device(3)
    with pytest.raises(AssertionError, match="Invalid device id"):
        torch.cuda.get_device_properties(3)


def test_cuda_graphs_are_refused() -> None:
    with pytest.raises(RuntimeError, match="CUDAGraph"):
        torch.cuda.CUDAGraph()
