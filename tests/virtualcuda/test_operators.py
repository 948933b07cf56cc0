"""Operators on a virtual device give what they give on the CPU: values, gradients, strides, sharing."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

pytestmark = pytest.mark.torch

DEVICE = "cuda:1"


def randn(*size: int) -> Any:
    return torch.randn(*size)


def integers(high: int, *size: int) -> Any:
    return torch.randint(0, high, size)


def moved(value: Any, device: str) -> Any:
    """A copy of `value` on `device`, its floating-point tensors with gradients."""
    if isinstance(value, torch.Tensor):
        copy = value.detach().clone().to(device)
        return copy.requires_grad_() if copy.is_floating_point() or copy.is_complex() else copy
    if isinstance(value, (list, tuple)):
        return type(value)(moved(item, device) for item in value)
    return value


def tensors_in(value: Any) -> list[Any]:
    if isinstance(value, torch.Tensor):
        return [value]
    return [tensor for item in value for tensor in tensors_in(item)] if isinstance(value, (list, tuple)) else []


def run(function: Callable[..., Any], inputs: tuple[Any, ...], device: str) -> tuple[list[Any], list[Any]]:
    """The outputs, and the gradients of everything that has one."""
    torch.manual_seed(0)
    arguments = moved(inputs, device)
    outputs = tensors_in(function(*arguments))
    total = sum(
        (output.abs().double() * torch.linspace(0.5, 1, output.numel(), device=output.device).view_as(output)).sum()
        for output in outputs
        if output.requires_grad
    )
    if isinstance(total, torch.Tensor):
        total.backward()
    return [output.detach() for output in outputs], [t.grad for t in tensors_in(arguments) if t.is_leaf]


def same(function: Callable[..., Any], *inputs: Any) -> None:
    expected, expected_gradients = run(function, inputs, "cpu")
    outputs, gradients = run(function, inputs, DEVICE)
    assert len(outputs) == len(expected)
    for output, reference in zip(outputs, expected, strict=True):
        assert output.device == torch.device(DEVICE)
        assert output.shape == reference.shape
        torch.testing.assert_close(output.cpu(), reference, equal_nan=True)
    for gradient, reference in zip(gradients, expected_gradients, strict=True):
        assert (gradient is None) == (reference is None)
        if gradient is not None:
            assert gradient.device == torch.device(DEVICE)
            torch.testing.assert_close(gradient.cpu(), reference, equal_nan=True)


CASES: dict[str, tuple[Callable[..., Any], Callable[[], tuple[Any, ...]]]] = {
    # arithmetic and broadcasting
    "add": (lambda a, b: a + b, lambda: (randn(3, 4), randn(3, 4))),
    "add broadcast": (lambda a, b: a + b, lambda: (randn(3, 1, 4), randn(5, 1))),
    "number": (lambda a: 2 * a - 1, lambda: (randn(3, 4),)),
    "types promoted": (lambda a, b: a * b, lambda: (randn(3), integers(5, 3))),
    "integer division": (lambda a, b: (a // b, a % b), lambda: (integers(50, 9), integers(5, 9) + 1)),
    "comparison": (lambda a, b: (a < b, a == b, torch.maximum(a, b)), lambda: (randn(9), randn(9))),
    "bits": (lambda a, b: (a & b, a ^ b, a << 1, ~a), lambda: (integers(50, 9), integers(50, 9))),
    "functions": (lambda a: (a.exp(), a.sin(), a.tanh(), a.abs().sqrt(), a.sigmoid()), lambda: (randn(3, 4),)),
    "clamp": (lambda a: a.clamp(-0.5, 0.5), lambda: (randn(20),)),
    "where": (lambda a, b: torch.where(a > 0, a, b), lambda: (randn(3, 4), randn(3, 4))),
    "lerp": (lambda a, b: torch.lerp(a, b, 0.3), lambda: (randn(4), randn(4))),
    "complex": (lambda a, b: torch.complex(a, b).conj().resolve_conj().abs(), lambda: (randn(4), randn(4))),
    # reductions
    "sums": (lambda a: (a.sum(), a.mean(0), a.var(1), a.norm(), a.amax(0), a.prod(1)), lambda: (randn(3, 4),)),
    "max with indices": (lambda a: a.max(1), lambda: (randn(3, 4),)),
    "cumulative": (lambda a: (a.cumsum(0), a.logsumexp(1), a.softmax(0), a.log_softmax(1)), lambda: (randn(3, 4),)),
    "argmax": (lambda a: (a.argmax(), a.argmin(1), (a > 0).any(), (a > 0).all(0)), lambda: (randn(3, 4),)),
    # matrices
    "matmul": (lambda a, b: a @ b, lambda: (randn(3, 4), randn(4, 5))),
    "batched": (lambda a, b: a @ b, lambda: (randn(2, 3, 4), randn(2, 4, 5))),
    "matrix vector": (lambda a, b: (a @ b, torch.dot(b, b), torch.outer(b, b)), lambda: (randn(3, 4), randn(4))),
    "addmm": (lambda a, b, c: torch.addmm(a, b, c, beta=0.5), lambda: (randn(3, 5), randn(3, 4), randn(4, 5))),
    "einsum": (lambda a, b: torch.einsum("bij,bkj->bik", a, b), lambda: (randn(2, 3, 4), randn(2, 5, 4))),
    "linear": (F.linear, lambda: (randn(2, 3, 4), randn(5, 4), randn(5))),
    "triangles": (lambda a: (a.triu(), a.tril(-1), a.diagonal()), lambda: (randn(4, 4),)),
    "linalg": (lambda a: torch.linalg.solve(a + 5 * torch.eye(4, device=a.device), a), lambda: (randn(4, 4),)),
    # shapes and views
    "views": (lambda a: (a.view(2, 6), a.t(), a[1:, ::2], a.unsqueeze(0), a.flatten()), lambda: (randn(3, 4),)),
    "permute": (lambda a: a.permute(2, 0, 1).reshape(4, 6), lambda: (randn(2, 3, 4),)),
    "split": (lambda a: (*a.split(2), *a.chunk(3, 1), *a.unbind(0)), lambda: (randn(4, 6),)),
    "expand": (lambda a: (a.expand(3, 4), a.repeat(2, 1), a.repeat_interleave(2, 0)), lambda: (randn(1, 4),)),
    "cat": (lambda a, b: (torch.cat([a, b]), torch.stack([a, b], 1)), lambda: (randn(3, 4), randn(3, 4))),
    "roll flip pad": (lambda a: (a.roll(1, 0), a.flip(1), F.pad(a, (1, 2))), lambda: (randn(3, 4),)),
    "unfold": (lambda a: a.unfold(0, 3, 2), lambda: (randn(9),)),
    "as_strided": (lambda a: a.as_strided((2, 2), (1, 2), 1), lambda: (randn(9),)),
    # indexing
    "index": (lambda a, i: (a[i], a[:, i], a[i, i]), lambda: (randn(5, 5), integers(5, 7))),
    "mask": (lambda a: (a[a > 0], a.masked_fill(a > 0, 0.5)), lambda: (randn(5, 5),)),
    "gather": (lambda a, i: (a.gather(1, i), a.take_along_dim(i, 1)), lambda: (randn(3, 5), integers(5, 3, 2))),
    "index_select": (lambda a, i: a.index_select(0, i), lambda: (randn(5, 3), integers(5, 8))),
    "scatter": (
        lambda a, i, s: a.scatter(1, i, s),
        lambda: (randn(3, 5), torch.tensor([[0, 2], [1, 4], [3, 0]]), randn(3, 2)),
    ),
    "scatter_add": (lambda a, i, s: a.scatter_add(1, i, s), lambda: (randn(3, 5), integers(5, 3, 2), randn(3, 2))),
    "index_add": (lambda a, i, s: a.index_add(0, i, s), lambda: (randn(5, 3), integers(5, 4), randn(4, 3))),
    "index_put": (lambda a, i, s: a.index_put((i,), s, accumulate=True), lambda: (randn(5), integers(5, 9), randn(9))),
    "embedding": (lambda w, i: F.embedding(i, w, padding_idx=1), lambda: (randn(9, 4), integers(9, 3, 5))),
    "one_hot": (lambda i: (F.one_hot(i, 9), torch.bincount(i.flatten())), lambda: (integers(9, 3, 5),)),
    "sort": (lambda a: (a.sort(dim=1, stable=True), a.topk(2, 1), a.argsort(1)), lambda: (randn(3, 6),)),
    "unique": (lambda a: torch.unique(a, return_inverse=True, return_counts=True), lambda: (integers(5, 30),)),
    "nonzero": (lambda a: ((a > 0).nonzero(), torch.nonzero(a > 0, as_tuple=True)), lambda: (randn(3, 6),)),
    "searchsorted": (lambda a, b: torch.searchsorted(a.sort()[0], b), lambda: (randn(9), randn(4))),
    "histc": (lambda a: torch.histc(a.float(), 5, 0, 10), lambda: (integers(10, 30),)),
    # networks
    "activations": (lambda a: (F.relu(a), F.gelu(a), F.silu(a), F.gelu(a, approximate="tanh")), lambda: (randn(20),)),
    "layer_norm": (lambda a, w, b: F.layer_norm(a, (4,), w, b), lambda: (randn(2, 3, 4), randn(4), randn(4))),
    "rms_norm": (lambda a, w: F.rms_norm(a, (4,), w, 1e-5), lambda: (randn(2, 3, 4), randn(4))),
    "group_norm": (lambda a, w, b: F.group_norm(a, 2, w, b), lambda: (randn(2, 4, 5), randn(4), randn(4))),
    "batch_norm": (
        lambda a, w, b: F.batch_norm(a, None, None, w, b, training=True),
        lambda: (randn(6, 4), randn(4), randn(4)),
    ),
    "conv1d": (lambda a, w, b: F.conv1d(a, w, b, padding=1), lambda: (randn(2, 3, 9), randn(4, 3, 3), randn(4))),
    "conv2d": (lambda a, w: F.conv2d(a, w, stride=2), lambda: (randn(2, 3, 9, 9), randn(4, 3, 3, 3))),
    "conv2d depthwise": (lambda a, w: F.conv2d(a, w, groups=4), lambda: (randn(2, 4, 7, 7), randn(4, 1, 3, 3))),
    "conv3d": (F.conv3d, lambda: (randn(1, 2, 5, 5, 5), randn(3, 2, 3, 3, 3))),
    "conv_transpose2d": (
        lambda a, w: F.conv_transpose2d(a, w, stride=2),
        lambda: (randn(1, 3, 4, 4), randn(3, 2, 3, 3)),
    ),
    "pooling": (
        lambda a: (F.max_pool2d(a, 2), F.avg_pool2d(a, 2), F.adaptive_avg_pool2d(a, 1)),
        lambda: (randn(1, 2, 6, 6),),
    ),
    "interpolate": (lambda a: F.interpolate(a, scale_factor=2, mode="bilinear"), lambda: (randn(1, 2, 4, 4),)),
    "interpolate bicubic": (lambda a: F.interpolate(a, size=7, mode="bicubic"), lambda: (randn(1, 2, 4, 4),)),
    "cross_entropy": (lambda a, t: F.cross_entropy(a, t, ignore_index=0), lambda: (randn(6, 5), integers(5, 6))),
    "losses": (
        lambda a, b: (F.mse_loss(a, b), F.smooth_l1_loss(a, b), F.kl_div(a, b.exp(), reduction="batchmean")),
        lambda: (randn(6), randn(6)),
    ),
    "attention": (F.scaled_dot_product_attention, lambda: (randn(2, 3, 5, 8), randn(2, 3, 5, 8), randn(2, 3, 5, 8))),
    "attention causal": (
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
        lambda: (randn(2, 3, 5, 8), randn(2, 3, 5, 8), randn(2, 3, 5, 8)),
    ),
    "attention masked": (
        lambda q, k, v: F.scaled_dot_product_attention(
            q, k, v, attn_mask=torch.ones(5, 5, device=q.device).tril().bool()
        ),
        lambda: (randn(2, 3, 5, 8), randn(2, 3, 5, 8), randn(2, 3, 5, 8)),
    ),
    "fft": (lambda a: torch.fft.rfft(a).abs(), lambda: (randn(4, 8),)),
}


@pytest.mark.parametrize("name", CASES)
def test_same_as_cpu(name: str) -> None:
    function, inputs = CASES[name]
    torch.manual_seed(1)
    same(function, *inputs())


@pytest.mark.parametrize(
    "dtype", ["float64", "float16", "bfloat16", "complex64", "int8", "uint8", "int16", "int64", "bool"]
)
def test_dtypes(dtype: str) -> None:
    kind = getattr(torch, dtype)
    values = (randn(4, 4) * 3).abs().to(kind)
    on_device = values.to(DEVICE)
    assert on_device.dtype == kind
    assert torch.equal(on_device.cpu(), values)
    if dtype != "bool":
        assert torch.equal((on_device + on_device).cpu(), values + values)
    if kind.is_floating_point:
        torch.testing.assert_close((on_device @ on_device).cpu(), values @ values)
    if not kind.is_complex:
        assert torch.equal(on_device.float().cpu(), values.float())


def test_views_share_memory() -> None:
    base = torch.zeros(4, 4, device=DEVICE)
    row, transposed, flat = base[1], base.t(), base.view(-1)
    row.fill_(1)
    transposed[0, 2] = 5
    flat[-1] = 7
    assert base.cpu().tolist() == [[0, 0, 0, 0], [1, 1, 1, 1], [5, 0, 0, 0], [0, 0, 0, 7]]
    assert row.data_ptr() == base.data_ptr() + 16
    assert flat.untyped_storage().data_ptr() == base.untyped_storage().data_ptr()


def test_in_place_and_out() -> None:
    x = torch.arange(6.0, device=DEVICE)
    y = x.add_(1)
    assert y is x
    x[::2] *= 10
    x.clamp_(max=20).index_fill_(0, torch.tensor([1], device=DEVICE), -1)
    assert x.tolist() == [10, -1, 20, 4, 20, 6]
    out = torch.empty(0, device=DEVICE)
    assert torch.add(x, x, out=out) is out
    assert out.tolist() == [20, -2, 40, 8, 40, 12]
    x.resize_(8)
    assert x[:6].tolist() == [10, -1, 20, 4, 20, 6]
    view = x.view(2, 4).transpose_(0, 1)
    assert view.shape == (4, 2) and view.is_set_to(x.view(2, 4).t())


def test_strides_and_channels_last() -> None:
    image = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    on_device = image.to(DEVICE)
    assert on_device.stride() == image.stride()
    assert (on_device * 2).stride() == (image * 2).stride()
    assert (
        torch.empty_like(on_device.permute(1, 0, 2, 3)).stride() == torch.empty_like(image.permute(1, 0, 2, 3)).stride()
    )


def test_inference_mode_and_autocast() -> None:
    layer = torch.nn.Linear(4, 4).to(DEVICE)
    with torch.inference_mode():
        y = layer(torch.ones(2, 4, device=DEVICE))
        y.view(-1)[0] = 0
        assert y.is_inference() and y[0, 0] == 0
    with torch.autocast("cuda", dtype=torch.bfloat16):
        assert layer(torch.ones(2, 4, device=DEVICE)).dtype == torch.bfloat16


def test_training_step_equals_the_cpus() -> None:
    def train(device: str) -> list[Any]:
        torch.manual_seed(0)
        model = torch.nn.Sequential(
            torch.nn.Linear(4, 8), torch.nn.LayerNorm(8), torch.nn.GELU(), torch.nn.Linear(8, 2)
        )
        data, target = torch.randn(6, 4).to(device), torch.tensor([0, 1, 1, 0, 1, 0]).to(device)
        model.to(device)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(model(data), target).backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        return [parameter.detach().cpu() for parameter in model.parameters()]

    torch.testing.assert_close(train(DEVICE), train("cpu"))


def test_backward_over_two_devices() -> None:
    first, second = torch.nn.Linear(4, 4).to("cuda:0"), torch.nn.Linear(4, 1).to("cuda:2")
    second(first(torch.ones(3, 4, device="cuda:0")).to("cuda:2")).sum().backward()
    assert first.weight.grad is not None and first.weight.grad.device == torch.device("cuda:0")
    assert second.weight.grad is not None and second.weight.grad.device == torch.device("cuda:2")


def test_copies_between_devices() -> None:
    x = torch.randn(3, 4)
    assert torch.equal(x.to("cuda:0").to("cuda:1").to("cpu"), x)
    target = torch.zeros(4, 3, device="cuda:2").t()
    assert target.copy_(x.to("cuda:0").double()) is target
    assert torch.equal(target.cpu(), x)
    host = torch.zeros(3, 4)
    assert host.copy_(x.to("cuda:1")) is host and torch.equal(host, x)
    with pytest.raises(TypeError, match="can't convert cuda:0 device type tensor to numpy"):
        x.to("cuda:0").numpy()


def test_empty_is_poisoned_in_deterministic_mode() -> None:
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True)
    try:
        assert torch.empty(1 << 20, device=DEVICE).isnan().all()
        assert torch.empty_strided((3,), (2,), device=DEVICE, dtype=torch.bfloat16).isnan().all()
        assert torch.empty(3, device=DEVICE, dtype=torch.int16).tolist() == [32767] * 3
    finally:
        torch.use_deterministic_algorithms(before)


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
def test_a_softmax_of_float16_in_float32(name: str) -> None:
    """As eager attention asks for it: CUDA has a kernel that does both, and needs no more than the result."""
    function = getattr(F, name)
    scores = torch.randn(64, 64, generator=torch.Generator().manual_seed(0)).half()
    expected = scores.float().requires_grad_()
    function(expected, dim=-1).square().sum().backward()
    on_card = scores.to("cuda:0").requires_grad_()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    got = function(on_card, dim=-1, dtype=torch.float32)
    assert got.dtype == torch.float32 and got.device == torch.device("cuda:0")
    assert torch.cuda.max_memory_allocated() - before == got.nbytes
    torch.testing.assert_close(got.cpu(), function(scores.float(), dim=-1), rtol=0, atol=0)
    got.square().sum().backward()
    assert on_card.grad is not None and on_card.grad.dtype == torch.float16
    torch.testing.assert_close(on_card.grad.cpu(), expected.grad.half())
    with torch.autocast("cuda"):
        assert function(scores.to("cuda:0"), dim=-1).dtype == torch.float32
