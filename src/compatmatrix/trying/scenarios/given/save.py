"""The checkpoint saved, and read again."""

from compatprobe import Cell, scenario

from . import _asked


@scenario(
    title="save_pretrained, and the result read again",
    params=_asked.params("save"),
    exclude=_asked.left_out("save"),
    timeout=_asked.TIMEOUT,
)
def save(cell: Cell, api: str) -> None:
    """What is read again has the tensors of the first file, and answers as the first load did."""
    import gc

    import torch

    from . import _inputs, _load, _outputs, _tensors
    from ._files import Files

    model = _load.load(cell, api, _asked.STORED)
    given = _inputs.of(model)
    before = None if given is None else _outputs.run(model, given)
    saved = cell.directory / "saved"
    cell.step("save_pretrained")
    model.save_pretrained(str(saved))
    names = sorted(path.name for path in saved.glob("*.safetensors")) or sorted(p.name for p in saved.glob("*.bin"))
    files = Files(_asked.PATH, _asked.WEIGHTS)
    kept = set(Files(saved, names).names)
    cell.fact(
        "names in the file", "kept" if kept == set(files.names) else f"{len(kept & set(files.names))} of {len(kept)}"
    )
    loader = type(model)
    del model
    gc.collect()
    cell.step("reload")
    again = loader.from_pretrained(str(saved), torch_dtype=getattr(torch, _asked.STORED)).eval()
    _tensors.check(cell, again, files, _asked.STORED, api)
    if before is not None and files.not_finite() and not bool(before.isfinite().all()):
        cell.fact("outputs not judged", "they are not finite, nor are some numbers in the file")
    elif given is not None and before is not None:
        cell.answered = True
        scale = float(before.abs().max())
        limit = _outputs.tolerance(_load.dtype_of(again), _load.layers_of(again), scale)
        cell.close("as before", _outputs.run(again, given), before, limit)
