"""What CUDA refuses because operands are on different devices is refused, in its words; what it takes is taken."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F

pytestmark = pytest.mark.torch

WRAPPER = r"Expected all tensors to be on the same device, but (got|found).*in method wrapper_CUDA_"
ITERATOR = r"Expected all tensors to be on the same device, but found at least two devices, c"
INDEX = r"indices should be either on cpu or on the same device as the indexed tensor"


def on0(*size: int) -> Any:
    return torch.randn(*size, device="cuda:0")


def on1(*size: int) -> Any:
    return torch.randn(*size, device="cuda:1")


def host(*size: int) -> Any:
    return torch.randn(*size)


def ids(device: str, *values: int) -> Any:
    return torch.tensor(values or (0, 1), device=device)


def mask(device: str) -> Any:
    return torch.ones(4, 4, dtype=torch.bool, device=device)


def assign(target: Any, index: Any, value: Any) -> None:
    target[index] = value


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "add": (lambda: on0(4) + on1(4), ITERATOR + r"uda:0 and cuda:1!"),
    "add cpu": (lambda: on0(4) + host(4), ITERATOR + r"uda:0 and cpu!"),
    "cpu add": (lambda: host(4) + on0(4), ITERATOR + r"uda:0 and cpu!"),
    "add_": (lambda: on0(4).add_(on1(4)), ITERATOR),
    "scalar of another card": (lambda: on0(4) * on1(1).sum(), ITERATOR),
    "cpu in place": (lambda: host(4).mul_(on0(4)), ITERATOR),
    "cpu scalar in place": (lambda: torch.tensor(1.0).add_(on0(1).sum()), ITERATOR),
    "comparison": (lambda: on0(4) == on1(4), ITERATOR),
    "where": (lambda: torch.where(mask("cuda:1"), on0(4, 4), on0(4, 4)), ITERATOR),
    "masked_fill": (
        lambda: on0(4, 4).masked_fill(mask("cuda:1"), 0.0),
        "expected self and mask to be on the same device",
    ),
    "masked_scatter": (lambda: on0(4, 4).masked_scatter(mask("cuda:0"), on1(16)), WRAPPER),
    "logical": (lambda: torch.logical_and(mask("cuda:0"), mask("cuda:1")), ITERATOR),
    "bits": (lambda: mask("cuda:0") & mask("cuda:1"), ITERATOR),
    "lerp": (lambda: torch.lerp(on0(4), on0(4), on1(4)), ITERATOR),
    "mm": (lambda: on0(4, 4) @ on1(4, 4), WRAPPER + "mm"),
    "bmm": (lambda: on0(2, 4, 4) @ on1(2, 4, 4), WRAPPER + "bmm"),
    "mv": (lambda: on0(4, 4) @ on1(4), WRAPPER),
    "einsum": (lambda: torch.einsum("ij,jk->ik", on0(4, 4), on1(4, 4)), WRAPPER),
    "linear": (lambda: F.linear(on0(2, 4), on1(4, 4)), WRAPPER + "mm"),
    "linear bias": (lambda: F.linear(on0(2, 4), on0(4, 4), on1(4)), WRAPPER + "addmm"),
    "linear cpu": (lambda: F.linear(on0(2, 3, 4), host(4, 4), host(4)), WRAPPER + "addmm"),
    "dot": (lambda: torch.dot(on0(4), on1(4)), WRAPPER + "_dot"),
    "embedding": (lambda: F.embedding(ids("cuda:1"), on0(4, 4)), WRAPPER + "_index_select"),
    "embedding cpu ids": (lambda: F.embedding(ids("cpu"), on0(4, 4)), WRAPPER + "_index_select"),
    "embedding cpu weight": (lambda: F.embedding(ids("cuda:0"), host(4, 4)), WRAPPER + "_index_select"),
    "embedding cpu scalar": (lambda: F.embedding(torch.tensor(1), on0(4, 4)), WRAPPER + "_index_select"),
    "index_select": (lambda: on0(4, 4).index_select(0, ids("cuda:1")), WRAPPER),
    "gather": (lambda: on0(4, 4).gather(1, ids("cuda:1").view(2, 1)), WRAPPER + "gather"),
    "scatter": (lambda: on0(4, 4).scatter(1, ids("cuda:0").view(2, 1), on1(2, 1)), WRAPPER + "scatter"),
    "index_add": (lambda: on0(4, 4).index_add(0, ids("cuda:0"), on1(2, 4)), WRAPPER),
    "index_copy": (lambda: on0(4, 4).index_copy(0, ids("cuda:1"), on0(2, 4)), WRAPPER),
    "index_fill": (lambda: on0(4, 4).index_fill(0, ids("cuda:1"), 0.0), ITERATOR),
    "index": (lambda: on0(4, 4)[ids("cuda:1")], INDEX),
    "index mask": (lambda: on0(4, 4)[mask("cuda:1")], INDEX),
    "cpu indexed by a card": (lambda: host(4, 4)[ids("cuda:0")], INDEX),
    "index assigned": (lambda: assign(on0(4, 4), ids("cuda:0"), on1(2, 4)), ITERATOR),
    "take": (lambda: torch.take(on0(4), ids("cuda:1")), WRAPPER),
    "isin": (lambda: torch.isin(ids("cuda:0"), ids("cuda:1")), WRAPPER),
    "cat": (lambda: torch.cat([on0(4), on1(4)]), WRAPPER + "cat"),
    "stack cpu": (lambda: torch.stack([on0(4), host(4)]), WRAPPER + "cat"),
    "layer_norm": (lambda: F.layer_norm(on0(2, 4), (4,), on1(4), on1(4)), WRAPPER + "_native_layer_norm"),
    "group_norm": (lambda: F.group_norm(on0(2, 4, 4), 2, on1(4), on1(4)), WRAPPER + "_native_group_norm"),
    "batch_norm": (lambda: F.batch_norm(on0(2, 4), on1(4), on1(4)), WRAPPER),
    "conv2d": (lambda: F.conv2d(on0(1, 3, 8, 8), on1(4, 3, 3, 3)), WRAPPER),
    "conv1d cpu": (
        lambda: F.conv1d(on0(1, 3, 8), host(4, 3, 3)),
        r"Input type \(torch.cuda.FloatTensor\) and weight type \(torch.FloatTensor\) should be the same",
    ),
    "attention": (
        lambda: F.scaled_dot_product_attention(on0(1, 2, 4, 8), on1(1, 2, 4, 8), on1(1, 2, 4, 8)),
        "Expected query, key, and value to have the same device type",
    ),
    "attention mask": (
        lambda: F.scaled_dot_product_attention(*[on0(1, 2, 4, 8)] * 3, attn_mask=mask("cuda:1")),
        ITERATOR,
    ),
    "cross_entropy": (lambda: F.cross_entropy(on0(2, 4), ids("cuda:1")), WRAPPER + "nll_loss_forward"),
    "mse_loss": (lambda: F.mse_loss(on0(4), on1(4)), ITERATOR),
    "out": (lambda: torch.add(on0(4), on0(4), out=on1(4)), ITERATOR),
    "searchsorted": (lambda: torch.searchsorted(on0(4), on1(4)), WRAPPER),
    "equal": (lambda: torch.equal(on0(4), on1(4)), WRAPPER),
    "cdist": (lambda: torch.cdist(on0(4, 4), on1(4, 4)), WRAPPER),
    "broadcast": (lambda: on0(1, 4).expand(3, 4) * on1(3, 4), ITERATOR),
}

TAKEN: dict[str, Callable[[], Any]] = {
    "copy": lambda: on0(4).copy_(on1(4)),
    "copy to cpu": lambda: host(4).copy_(on1(4)),
    "cpu index": lambda: on0(4, 4)[ids("cpu")],
    "cpu mask": lambda: on0(4, 4)[mask("cpu")],
    "assign with another card's index": lambda: assign(on0(4, 4), ids("cuda:1"), on0(2, 4)),
    "assign into cpu with a card's index": lambda: assign(host(4), ids("cuda:1"), host(2)),
    "assign a slice": lambda: assign(on0(4), slice(0, 2), on1(2)),
    "assign a cpu scalar": lambda: assign(on0(4), ids("cuda:0"), torch.tensor(3.0)),
    "cpu scalar": lambda: on0(4) + torch.tensor(2.0),
    "cpu scalar first": lambda: torch.tensor(2.0) * on0(4),
    "where with scalar": lambda: torch.where(mask("cuda:0"), on0(4, 4), torch.tensor(0.0)),
    "masked_fill scalar": lambda: on0(4, 4).masked_fill(mask("cuda:0"), torch.tensor(1.0)),
    "python numbers": lambda: (2 ** on0(4)).clamp(0, 1),
    "item": lambda: (on0(4).tolist(), on1(1).item()),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    function, message = REFUSED[name]
    with pytest.raises(RuntimeError, match=message):
        function()


@pytest.mark.parametrize("name", TAKEN)
def test_taken(name: str) -> None:
    TAKEN[name]()


def test_a_cpu_tensor_stays_one() -> None:
    target = torch.zeros(4)
    target[ids("cuda:1")] = torch.ones(2)
    assert target.device.type == "cpu" and target.tolist() == [1, 1, 0, 0]


def test_message_names_the_argument() -> None:
    with pytest.raises(RuntimeError, match="mat2"):
        on0(4, 4) @ on1(4, 4)
