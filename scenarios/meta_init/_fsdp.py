"""What the FSDP scenarios share: a process group on gloo, both ways of sharding, filling, and the checks."""

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Dict, Iterator, Optional

import torch
from torch import distributed
from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FullyShardedDataParallel, fully_shard

from scenarios.common import verify
from scenarios.common.checkpoint import Checkpoint
from scenarios.common.references import llama
from scenarios.meta_init import _meta

if TYPE_CHECKING:
    from compatprobe import Cell

#: How long a rank waits for the other: well beyond what a step takes, well within what a cell may.
_PATIENCE = timedelta(seconds=40)


@contextmanager
def process_group(cell: "Cell", store: str, rank: int = 0, ranks: int = 1) -> Iterator[None]:
    """A group of processes on this machine; they meet in the file ``store``, and need no network but loopback."""
    import os

    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    cell.step("init_process_group")
    meeting = distributed.FileStore(store, ranks)
    distributed.init_process_group("gloo", store=meeting, rank=rank, world_size=ranks, timeout=_PATIENCE)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def fsdp1(model: Any, param_init_fn: Any, **options: Any) -> Any:
    """The whole model as one unit."""
    return FullyShardedDataParallel(
        model, param_init_fn=param_init_fn, device_id=torch.device("cpu"), use_orig_params=True, **options
    )


def fsdp2(model: Any) -> Any:
    """Every decoder layer by itself, and then the rest."""
    mesh = init_device_mesh("cpu", (distributed.get_world_size(),))
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def with_memory(model: Any, api: str, init: str) -> Any:
    """Shard a model on meta, and give it memory: ``to-empty``, or for its ``parameters-only``."""
    if api == "fsdp1":
        empty = _emptied if init == "to-empty" else _materialize
        return fsdp1(model, empty)
    sharded = fsdp2(model)
    if init == "to-empty":
        return sharded.to_empty(device="cpu")
    for module in sharded.modules():
        _materialize(module)
    return sharded


def _emptied(module: Any) -> None:
    module.to_empty(device="cpu", recurse=False)


def _materialize(module: Any) -> None:
    """Memory for a module's own parameters, and for nothing else."""
    for name, value in list(module.named_parameters(recurse=False)):
        empty = torch.empty_like(value, device="cpu")
        setattr(module, name, torch.nn.Parameter(empty, requires_grad=value.requires_grad))


def fill(cell: "Cell", model: Any, tensors: Optional[Dict[str, torch.Tensor]], *, broadcast: bool = False) -> None:
    """The file's tensors, as each API takes a whole state dict; None on a rank that is sent them."""
    cell.step("load_state_dict")
    options = StateDictOptions(full_state_dict=True, broadcast_from_rank0=broadcast)
    set_model_state_dict(model, dict(tensors or {}), options=options)


def _local(value: Any) -> torch.Tensor:
    local: torch.Tensor = value.to_local() if hasattr(value, "to_local") else value
    return local


def check(cell: "Cell", model: Any, made: Checkpoint) -> None:
    """That each rank holds its share and no more; the logits of the sharded model, and its gathered tensors."""
    held = sum(_local(value).numel() for value in model.parameters())
    share = held / sum(value.numel() for value in made.tensors.values())
    cell.check("share of the parameters", share, 1.01 / distributed.get_world_size())
    expected = llama.logits(made.config, made.tensors, _meta.PROMPTS)
    labels = expected[:, :-1].argmax(-1)
    observed = verify.forward(cell, model, _meta.PROMPTS, expected)
    cell.fact("loss", {"reference": _meta.loss(expected, labels), "observed": _meta.loss(observed, labels)})
    if isinstance(model, FullyShardedDataParallel):
        with FullyShardedDataParallel.summon_full_params(model, writeback=False):
            verify.loaded(cell, model.module, made)
        return
    model.unshard()
    for module in model.modules():
        for name, value in list(module.named_parameters(recurse=False)):
            full = value.full_tensor() if hasattr(value, "full_tensor") else value
            module._parameters[name] = torch.nn.Parameter(full.detach(), requires_grad=False)
    verify.loaded(cell, model, made)
