"""FSDP, where a ``param_init_fn`` gives a module on meta its memory: on gloo, in one process and in two."""

from compatprobe import Cell, scenario

_CONTEXTS = ("init_empty_weights", "torch-device-meta")


@scenario(
    title="FSDP over a model on meta, its parameters and buffers from to_empty",
    params={"api": ("fsdp1", "fsdp2"), "context": _CONTEXTS},
    claims=("C3.7",),
)
def fsdp_to_empty(cell: Cell, api: str, context: str) -> None:
    """``to_empty`` in ``param_init_fn`` (FSDP1), or after ``fully_shard`` (FSDP2); then the file's state dict."""
    _from_meta(cell, api, context, "to-empty")


@scenario(
    title="the same, with memory for the parameters only: no to_empty",
    params={"api": ("fsdp1", "fsdp2"), "context": _CONTEXTS},
    claims=("C3.7",),
    cures=("meta-init/fsdp-to-empty",),
)
def fsdp_parameters_only(cell: Cell, api: str, context: str) -> None:
    """Buffers stay what they were, which helps where they had values."""
    _from_meta(cell, api, context, "parameters-only")


def _from_meta(cell: Cell, api: str, context: str, init: str) -> None:
    from scenarios.meta_init import _fsdp, _meta

    made = _meta.checkpoint(cell, "untied")
    model = _meta.build(cell, made, context)
    with _fsdp.process_group(cell, str(cell.directory / "store")):
        cell.step("wrap")
        sharded = _fsdp.with_memory(model, api, init)
        _fsdp.fill(cell, sharded, made.tensors)
        _fsdp.check(cell, sharded, made)


@scenario(
    title="FSDP over a model that from_pretrained has loaded: no param_init_fn",
    params={"api": ("fsdp1", "fsdp1-sync", "fsdp2")},
    claims=("C3.7",),
    cures=("meta-init/fsdp-to-empty",),
)
def fsdp_loaded(cell: Cell, api: str) -> None:
    """What the first rank does; ``sync`` asks for ``sync_module_states``, which hands its model to the others."""
    import torch

    from scenarios.meta_init import _fsdp, _meta

    made = _meta.checkpoint(cell, "untied")
    auto = cell.api("AutoModelForCausalLM")
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path), torch_dtype=torch.float32).eval()
    with _fsdp.process_group(cell, str(cell.directory / "store")):
        cell.step("wrap")
        sync = api == "fsdp1-sync"
        sharded = _fsdp.fsdp2(model) if api == "fsdp2" else _fsdp.fsdp1(model, None, sync_module_states=sync)
        _fsdp.check(cell, sharded, made)


@scenario(
    title="FSDP over two processes: the first has the file, and broadcasts it",
    params={"api": ("fsdp1", "fsdp2"), "init": ("to-empty", "parameters-only")},
    claims=("C3.7",),
)
def fsdp_broadcast(cell: Cell, api: str, init: str) -> None:
    """Both ranks build the model on meta (``init_empty_weights``) and give it memory; rank 1 is sent the weights.

    By ``set_model_state_dict`` with ``broadcast_from_rank0``. Each rank then compares what is gathered with the
    file, its buffers with the configuration, and its outputs with the reference.
    """
    from scenarios.meta_init import _fsdp, _meta, _ranks

    made = _meta.checkpoint(cell, "untied")
    store = str(cell.directory / "store")

    def work(own: Cell, rank: int) -> None:
        model = _meta.build(own, made, "init_empty_weights")
        with _fsdp.process_group(own, store, rank, 2):
            own.step("wrap")
            sharded = _fsdp.with_memory(model, api, init)
            _fsdp.fill(own, sharded, made.tensors if rank == 0 else None, broadcast=True)
            _fsdp.check(own, sharded, made)

    _ranks.both(cell, work)


@scenario(
    title="FSDP over two processes, each of which has loaded the model: no param_init_fn",
    params={"api": ("fsdp1", "fsdp2")},
    claims=("C3.7",),
    cures=("meta-init/fsdp-broadcast",),
)
def fsdp_loaded_twice(cell: Cell, api: str) -> None:
    """``from_pretrained`` on both ranks, then each keeps its shard."""
    import torch

    from scenarios.meta_init import _fsdp, _meta, _ranks

    made = _meta.checkpoint(cell, "untied")
    auto = cell.api("AutoModelForCausalLM")
    store = str(cell.directory / "store")

    def work(own: Cell, rank: int) -> None:
        own.step("from_pretrained")
        model = auto.from_pretrained(str(made.path), torch_dtype=torch.float32).eval()
        with _fsdp.process_group(own, store, rank, 2):
            own.step("wrap")
            _fsdp.check(own, _fsdp.fsdp2(model) if api == "fsdp2" else _fsdp.fsdp1(model, None), made)

    _ranks.both(cell, work)
