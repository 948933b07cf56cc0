"""One child's work, which can be done on the CPU and on virtual cards: what ``measure.py`` compares."""

from typing import Any

from compatprobe import Cell, scenario


@scenario(
    title="A small Llama is loaded, run, and asked for eight tokens",
    params={"place": ("cpu", "hooked", "card", "cards")},
    needs=lambda place: {"card": ("virtual-cuda:1",), "cards": ("virtual-cuda:2",)}.get(place, ()),
)
def child(cell: Cell, place: str) -> None:
    """The facts: the processor's seconds for all of it, and the devices that the model came to lie on.

    ``hooked`` is placed by ``auto`` on the CPU and then given the hooks that accelerate gives a model on several
    devices: what ``cards`` costs beyond it is the cards' own.
    """
    import time

    import torch
    import transformers

    start = time.process_time()
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=1000,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=8,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=256,
        pad_token_id=0,
    )
    path = str(cell.directory / "llama")
    transformers.LlamaForCausalLM(config).save_pretrained(path)
    device_map = {"cpu": {"": "cpu"}, "card": {"": 0}}.get(place, "auto")
    cell.step("load")
    model = transformers.AutoModelForCausalLM.from_pretrained(path, device_map=device_map).eval()
    if place == "hooked":
        model = _hooked(model)
    ids = torch.arange(3, 19).reshape(2, 8).to(model.device)
    with torch.no_grad():
        cell.step("run")
        logits = model(ids).logits
        cell.step("generate")
        tokens = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
    assert logits.isfinite().all() and len(tokens) == 2
    cell.fact("seconds", time.process_time() - start)
    cell.fact("devices", sorted({str(parameter.device) for parameter in model.parameters()}))


def _hooked(model: Any) -> Any:
    """The model with a hook on every module, as on several devices; all of it stays on the CPU."""
    import accelerate

    parts = [name for name, _ in model.named_children() if name != "model"]
    for name, part in model.model.named_children():
        layers = [f"model.{name}.{index}" for index, _ in enumerate(part)] if name == "layers" else [f"model.{name}"]
        parts += layers
    return accelerate.dispatch_model(model, dict.fromkeys(parts, "cpu"), main_device="cpu", force_hooks=True)
