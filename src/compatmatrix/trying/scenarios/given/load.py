"""The checkpoint by a plain load, by class and dtype."""

from compatprobe import Cell, scenario

from . import _asked


@scenario(
    title="from_pretrained(path), by class and dtype",
    params=_asked.params("load"),
    exclude=_asked.left_out("load"),
    timeout=_asked.TIMEOUT,
)
def load(cell: Cell, api: str, dtype: str) -> None:
    """Every tensor against the file, buffers against the configuration, the output against the best judge there is.

    `default`: nothing is said of the dtype; versions before 5 then load in float32, later ones in the file's.
    """
    from . import _buffers, _load, _outputs, _tensors
    from ._files import Files

    model = _load.load(cell, api, dtype)
    files = Files(_asked.PATH, _asked.WEIGHTS)
    _tensors.check(cell, model, files, dtype, api)
    if dtype != _load.DEFAULT:
        cell.equal("dtype", str(_load.dtype_of(model)), f"torch.{dtype}")
    _buffers.check(cell, model, files)
    _load.check_generation_config(cell, model)
    cell.model(model)
    _outputs.check(cell, model, files)
