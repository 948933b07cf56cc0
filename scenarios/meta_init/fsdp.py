"""FSDP, where a ``param_init_fn`` gives a module on meta its memory: one process, gloo."""

from contextlib import contextmanager
from typing import Any, Iterator

from compatprobe import Cell, scenario

_CONTEXTS = ("init_empty_weights", "torch-device-meta")


@scenario(
    title="FSDP over a model on meta, its parameters and buffers from to_empty",
    params={"api": ("fsdp1", "fsdp2"), "context": _CONTEXTS},
    claims=("C3.7",),
)
def fsdp_to_empty(cell: Cell, api: str, context: str) -> None:
    """``to_empty`` in ``param_init_fn`` (FSDP1), or after ``fully_shard`` (FSDP2); then the file's state dict."""
    from scenarios.meta_init import _meta

    made = _meta.checkpoint(cell, "untied")
    model = _meta.build(cell, made, context)
    with _process_group(cell):
        cell.step("wrap")
        if api == "fsdp1":
            sharded = _fsdp1(model, lambda module: module.to_empty(device="cpu", recurse=False))
        else:
            sharded = _fsdp2(model)
            sharded.to_empty(device="cpu")
        _fill(cell, sharded, made)
        _check(cell, sharded, made)


@scenario(
    title="the same, with memory for the parameters only: no to_empty",
    params={"api": ("fsdp1", "fsdp2"), "context": _CONTEXTS},
    claims=("C3.7",),
    cures=("meta-init/fsdp-to-empty",),
)
def fsdp_parameters_only(cell: Cell, api: str, context: str) -> None:
    """Buffers stay what they were, which helps where they had values."""
    from scenarios.meta_init import _meta

    made = _meta.checkpoint(cell, "untied")
    model = _meta.build(cell, made, context)
    with _process_group(cell):
        cell.step("wrap")
        if api == "fsdp1":
            sharded = _fsdp1(model, _materialize)
        else:
            sharded = _fsdp2(model)
            for module in sharded.modules():
                _materialize(module)
        _fill(cell, sharded, made)
        _check(cell, sharded, made)


@scenario(
    title="FSDP over a model that from_pretrained has loaded: no param_init_fn",
    params={"api": ("fsdp1", "fsdp1-sync", "fsdp2")},
    claims=("C3.7",),
    cures=("meta-init/fsdp-to-empty",),
)
def fsdp_loaded(cell: Cell, api: str) -> None:
    """What the first rank does; ``sync`` asks for ``sync_module_states``, which hands its model to the others."""
    import torch

    from scenarios.meta_init import _meta

    made = _meta.checkpoint(cell, "untied")
    auto = cell.api("AutoModelForCausalLM")
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), torch_dtype=torch.float32).eval()
    with _process_group(cell):
        cell.step("wrap")
        sharded = _fsdp2(model) if api == "fsdp2" else _fsdp1(model, None, sync_module_states=api == "fsdp1-sync")
        _check(cell, sharded, made)


@contextmanager
def _process_group(cell: Cell) -> Iterator[None]:
    """A group of this process alone; it meets itself in a file, and needs no network but loopback."""
    import os

    from torch import distributed

    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    cell.step("init_process_group")
    store = distributed.FileStore(str(cell.directory / "store"), 1)
    distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        yield
    finally:
        distributed.destroy_process_group()


def _fsdp1(model: Any, param_init_fn: Any, **options: Any) -> Any:
    import torch
    from torch.distributed.fsdp import FullyShardedDataParallel

    return FullyShardedDataParallel(
        model, param_init_fn=param_init_fn, device_id=torch.device("cpu"), use_orig_params=True, **options
    )


def _fsdp2(model: Any) -> Any:
    """Every decoder layer by itself, and then the rest."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh("cpu", (1,))
    for layer in model.model.layers:
        fully_shard(layer, mesh=mesh)
    return fully_shard(model, mesh=mesh)


def _materialize(module: Any) -> None:
    """Memory for a module's own parameters, and for nothing else."""
    import torch

    for name, value in list(module.named_parameters(recurse=False)):
        empty = torch.empty_like(value, device="cpu")
        setattr(module, name, torch.nn.Parameter(empty, requires_grad=value.requires_grad))


def _is_fsdp1(model: Any) -> bool:
    from torch.distributed.fsdp import FullyShardedDataParallel

    return isinstance(model, FullyShardedDataParallel)


def _fill(cell: Cell, model: Any, made: Any) -> None:
    """The file's tensors, as each API takes a whole state dict."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

    cell.step("load_state_dict")
    set_model_state_dict(model, dict(made.tensors), options=StateDictOptions(full_state_dict=True))


def _check(cell: Cell, model: Any, made: Any) -> None:
    """The logits of the sharded model, and its gathered tensors."""
    import torch
    from torch.distributed.fsdp import FullyShardedDataParallel

    from scenarios.common import verify
    from scenarios.common.references import llama
    from scenarios.meta_init import _meta

    expected = llama.logits(made.config, made.tensors, _meta.PROMPTS)
    labels = expected[:, :-1].argmax(-1)
    observed = verify.forward(cell, model, _meta.PROMPTS, expected)
    cell.fact("loss", {"reference": _meta.loss(expected, labels), "observed": _meta.loss(observed, labels)})
    if _is_fsdp1(model):
        with FullyShardedDataParallel.summon_full_params(model, writeback=False):
            verify.loaded(cell, model.module, made)
        return
    model.unshard()
    for module in model.modules():
        for name, value in list(module.named_parameters(recurse=False)):
            full = value.full_tensor() if hasattr(value, "full_tensor") else value
            module._parameters[name] = torch.nn.Parameter(full.detach(), requires_grad=False)
    verify.loaded(cell, model, made)
