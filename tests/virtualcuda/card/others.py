"""What else the page calls faithful: devices and their numbers, storages, files, gradients, objects."""

import copy
import io
from collections.abc import Callable, Iterator
from typing import Any

import torch

from tests.virtualcuda.card import draws
from tests.virtualcuda.card.machine import HERE, host, shown, words, x

Case = tuple[str, Callable[[], str]]


def cases() -> Iterator[Case]:
    """All of them, and those of draws.py."""
    for name, function in {**DEVICES, **OBJECTS, **draws.questions()}.items():
        yield name, shown(function)


def loaded(where: Any, *, from_cpu: bool = False) -> str:
    file = io.BytesIO()
    tensor = x(5)
    torch.save({"x": tensor.cpu() if from_cpu else tensor, "same": tensor[1:]}, file)
    file.seek(0)
    return str(torch.load(file, map_location=where)["x"].device)


def both_parts() -> list[Any]:
    whole = x()
    return [whole, whole[1:]]


def shares(tensors: list[Any]) -> bool:
    return len({tensor.untyped_storage().data_ptr() for tensor in tensors}) == 1


def grad_of(device: str) -> None:
    parameter = torch.nn.Parameter(x())
    parameter.grad = torch.ones(4, device=device)


def optimizer_step() -> Any:
    parameter = torch.nn.Parameter(x())
    parameter.grad = torch.ones(4, device=HERE)
    optimizer = torch.optim.Adam([parameter])
    optimizer.step()
    return [str(value.device) for value in optimizer.state[parameter].values()]


def into(module_device: str) -> str:
    linear = torch.nn.Linear(2, 2, device=module_device)
    linear.load_state_dict(torch.nn.Linear(2, 2, device="cpu" if module_device == HERE else HERE).state_dict())
    return str(linear.weight.device)


def through_both() -> list[str]:
    one = x().requires_grad_()
    two = host().requires_grad_()
    (one.cpu() * two).sum().backward()
    assert one.grad is not None and two.grad is not None
    return [str(one.grad.device), str(two.grad.device)]


def autocast(function: Callable[[], Any]) -> str:
    with torch.autocast("cuda"):
        return str(function().dtype)


WRONG = ("cuda:1", "cuda:9")

DEVICES: dict[str, Callable[[], Any]] = {
    **{f"zeros on {device}": (lambda d=device: torch.zeros(1, device=d)) for device in WRONG},  # type: ignore[misc]
    "to cuda:9": lambda: host().to("cuda:9"),
    "cuda(5)": lambda: host().cuda(5),
    "a module to cuda:3": lambda: torch.nn.Linear(2, 2).to("cuda:3"),
    "set_device(3)": lambda: torch.cuda.set_device(3),
    "device(3)": lambda: torch.cuda.device(3).__enter__(),
    "get_device_properties(3)": lambda: torch.cuda.get_device_properties(3),
    "get_device_name(3)": lambda: torch.cuda.get_device_name(3),
    "get_device_capability(3)": lambda: torch.cuda.get_device_capability(3),
    "mem_get_info(3)": lambda: torch.cuda.mem_get_info(3),
    "memory_allocated(3)": lambda: torch.cuda.memory_allocated(3),
    "memory_stats(3)": lambda: len(torch.cuda.memory_stats(3)),
    "max_memory_allocated(3)": lambda: torch.cuda.max_memory_allocated(3),
    "reset_peak_memory_stats(3)": lambda: torch.cuda.reset_peak_memory_stats(3),
    "synchronize(3)": lambda: torch.cuda.synchronize(3),
    "get_rng_state(3)": lambda: torch.cuda.get_rng_state(3),
    "Generator on cuda:7": lambda: torch.Generator(device="cuda:7").device,
    "no such name": lambda: torch.zeros(1, device="cuda:abc"),
    "negative": lambda: torch.zeros(1, device="cuda:-1"),
    "load to cuda:3": lambda: loaded("cuda:3"),
    "memory_allocated of the cpu": lambda: torch.cuda.memory_allocated("cpu"),
    "a device without a number": lambda: str(torch.zeros(1, device="cuda").device),
    "a device by number": lambda: str(torch.zeros(1, device=0).device),
    "count": torch.cuda.device_count,
    "current": torch.cuda.current_device,
    "available": torch.cuda.is_available,
    "bfloat16": torch.cuda.is_bf16_supported,
    "default generators": lambda: [str(generator.device) for generator in torch.cuda.default_generators],
    "properties": lambda: sorted(n for n in dir(torch.cuda.get_device_properties(0)) if not n.startswith("_")),
    "memory_stats": lambda: sorted(torch.cuda.memory_stats(0)),
    "current stream": lambda: str(torch.cuda.current_stream().device),
    "tf32": lambda: torch.backends.cuda.matmul.allow_tf32,
}

OBJECTS: dict[str, Callable[[], Any]] = {
    **{f"load to {where}": (lambda w=where: loaded(w)) for where in (None, "cpu", "cuda", HERE, "meta")},  # type: ignore[misc]
    "load from the cpu": lambda: (loaded(None, from_cpu=True), loaded(HERE, from_cpu=True)),
    "load by a function": lambda: loaded(lambda storage, location: (storage, location)[0]),
    "deepcopy": lambda: str(copy.deepcopy(x()).device),
    "deepcopy shares": lambda: shares(copy.deepcopy(both_parts())),
    "storage": lambda: (str(x().untyped_storage().device), x().untyped_storage().nbytes()),
    "storage cloned": lambda: str(x().untyped_storage().clone().device),
    "storage to the cpu": lambda: x().untyped_storage().cpu().nbytes(),
    "set_ to a cpu's storage": lambda: x().set_(host().untyped_storage()),
    "set_ to a cpu's tensor": lambda: x().set_(host()),
    "data of the cpu": lambda: setattr(torch.nn.Parameter(x()), "data", host()),
    "grad of the card": lambda: grad_of(HERE),
    "grad of the cpu": lambda: grad_of("cpu"),
    "backward over both": through_both,
    "adam's state": optimizer_step,
    "state dict of the cpu": lambda: into(HERE),
    "state dict of the card": lambda: into("cpu"),
    "numpy": lambda: x().numpy(),
    "from numpy": lambda: str(torch.as_tensor(host().numpy(), device=HERE).device),
    "type": lambda: (x().type(), x().half().type(), x().long().type()),
    "typed constructor": lambda: str(torch.cuda.FloatTensor(3).device),
    "tensor of a tensor": lambda: str(torch.tensor(x()).device),
    "tensor of card scalars": lambda: str(torch.tensor([x()[0], 2.0]).device),
    "as a number": lambda: (float(x()[1]), int(x()[2]), bool(x()[0]), [5, 6, 7][x().long()[1]]),
    "is_pinned": lambda: (host().is_pinned(), x().is_pinned()),
    "pin_memory": lambda: (host().pin_memory().device.type, host().pin_memory().is_pinned()),
    "pin_memory of the card": lambda: x().pin_memory(),
    "share_memory_": lambda: x().share_memory_().is_shared(),
    "repr": lambda: repr(x()),
    "flags": lambda: (x().is_cuda, x().get_device(), host().get_device()),
    "clip_grad_norm_ of both": lambda: str(_clip().device),
    "parameters_to_vector of both": lambda: torch.nn.utils.parameters_to_vector([x(), host()]),
    "autocast of a product": lambda: autocast(lambda: x(2, 2) @ x(2, 2)),
    "autocast of softmax": lambda: autocast(lambda: x(2, 2).half().softmax(-1)),
    "autocast of the cpu's product": lambda: autocast(lambda: host(2, 2) @ host(2, 2)),
    "foreach of both": lambda: torch._foreach_add([x(), x()], [x(), host()]),
    "foreach of lists on each": lambda: [str(t.device) for t in torch._foreach_add([x(), host()], [x(), host()])],
    "foreach of the cpu's scalar": lambda: str(torch._foreach_mul([x(), x()], torch.tensor(2.0))[0].device),
}


def _clip() -> Any:
    parameters = [torch.nn.Parameter(x()), torch.nn.Parameter(host())]
    for parameter in parameters:
        parameter.grad = torch.ones_like(parameter)
    return torch.nn.utils.clip_grad_norm_(parameters, 1.0)


def last_of_all() -> tuple[str, Callable[[], str]]:
    """A question that a real card answers nothing after."""

    def asked() -> str:
        try:
            torch.nn.functional.embedding(torch.tensor([9], device=HERE), x(4, 4)).sum().item()
        except Exception as error:
            return words(error)
        return "taken"

    return "an index out of range", asked
