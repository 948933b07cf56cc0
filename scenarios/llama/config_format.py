"""Configurations in the format of other releases: the newest one read by old versions, and the reverse."""

import json
from typing import Any, Dict

from compatprobe import Cell, Unsupported, scenario

_BASE = 500_000.0


@scenario(
    title="config.json in the older and the newer format",
    params={"written": ("rope_theta", "rope_parameters", "rope_parameters-llama3", "rope_type-key", "dtype-key")},
)
def config_format(cell: Cell, written: str) -> None:
    """To refuse what it does not know is an answer; to read past ``rope_parameters`` gives other positions."""
    from scenarios.common import models
    from scenarios.common.checkpoint import write_checkpoint
    from scenarios.llama import _try

    scaled = written == "rope_parameters-llama3"
    plain = models.llama(cell.directory / "plain", rope_scaling="llama3" if scaled else None)
    meant = {**plain.config, "rope_theta": _BASE}
    made = write_checkpoint(cell.directory / "checkpoint", meant, plain.tensors)
    (made.path / "config.json").write_text(json.dumps(_rewritten(meant, written)), encoding="utf-8")
    cell.step("config")
    try:
        cell.api("AutoConfig").from_pretrained(str(made.path))
    except (KeyError, ValueError) as error:
        if not any(words in str(error) for words in _try.REFUSALS):
            raise
        raise Unsupported(f"config.json with {written}", str(error)) from error
    auto = cell.api("AutoModelForCausalLM")
    cell.step("from_pretrained")
    model = auto.from_pretrained(str(made.path)).eval()
    _try.causal(cell, model, made, generate=False)


def _rewritten(config: Dict[str, Any], written: str) -> Dict[str, Any]:
    """The same meaning, in the words of another release."""
    new = dict(config)
    if written.startswith("rope_parameters"):
        scaling = new.pop("rope_scaling") or {"rope_type": "default"}
        new["rope_parameters"] = {"rope_theta": new.pop("rope_theta"), **scaling}
    elif written == "rope_type-key":
        new["rope_scaling"] = {"rope_type": "default"}
    elif written == "dtype-key":
        new["dtype"] = new.pop("torch_dtype")
    return new
