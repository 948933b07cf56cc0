"""The configuration alone."""

from compatprobe import Cell, scenario

from . import _asked


@scenario(title="AutoConfig.from_pretrained(path)", timeout=_asked.TIMEOUT)
def config(cell: Cell) -> None:
    """It is read as what it says it is; what the version changes in it is a fact."""
    from . import _load

    _load.known(cell)
    loader = cell.api("AutoConfig")
    cell.step("from_pretrained")
    read = _load.trusting(loader.from_pretrained)
    cell.equal("model_type", read.model_type, _asked.CONFIG.get("model_type", read.model_type))
    missing = object()
    plain = {key: value for key, value in _asked.CONFIG.items() if isinstance(value, (bool, int, float, str))}
    other = {key: getattr(read, key, missing) for key in plain if key != "transformers_version"}
    cell.fact(
        "read otherwise",
        {
            key: {"file": plain[key], "version": "not there" if value is missing else str(value)}
            for key, value in other.items()
            if value is missing or (value != plain[key] and str(value) != f"torch.{plain[key]}")
        },
    )
