"""An operand of any of the models on the wrong device is caught, wherever it is planted.

Whether an operator saw two devices is noted apart from virtual CUDA (``planting.Mixtures``). Every such run must
raise in torch's words, but for what CUDA takes as well. Where no operator did, the model moved the operand back
itself, or nothing read it: then the outputs must be those of an untouched run. ``pytest -s`` shows the counts, and
each place that is legal.
"""

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

import virtualcuda
from tests.virtualcuda import planting
from tests.virtualcuda.planting import HERE, Place, Ready

pytest.importorskip("transformers")

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]


def of(name: str) -> Any:
    """A name of transformers; the test is skipped where the version lacks it."""
    import transformers

    try:
        return getattr(transformers, name)
    except AttributeError:
        pytest.skip(f"transformers {transformers.__version__} has no {name}")


def on_card(loader: Any, path: Path) -> Any:
    return loader.from_pretrained(str(path), torch_dtype=torch.float32).eval().to(HERE)


def positions(ids: Any) -> Any:
    return torch.arange(ids.shape[1], device=HERE).expand(ids.shape)


def text_call(model: Any, ids: Any, **more: Any) -> Ready:
    """A call with every input given, and a second one with the cache of the first."""
    ids = ids.to(HERE)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "position_ids": positions(ids), **more}

    def again(cache: Any) -> dict[str, Any]:
        mask = torch.ones(ids.shape[0], ids.shape[1] + 1, dtype=torch.long, device=HERE)
        return {"input_ids": ids[:, :1], "attention_mask": mask, "past_key_values": cache, "use_cache": True}

    return Ready(model, {**inputs, "use_cache": True}, again)


IDS = torch.tensor([[1, 17, 93, 4, 58, 110, 31, 76, 9], [1, 44, 5, 101, 23, 87, 66, 12, 39]])


def llama(directory: Path) -> Ready:
    from scenarios.common import models

    return text_call(on_card(of("AutoModelForCausalLM"), models.llama(directory, grouped=True).path), IDS)


def oneke(directory: Path) -> Ready:
    from scenarios.common import models

    return text_call(on_card(of("AutoModelForCausalLM"), models.oneke(directory).path), IDS)


def with_room(ready: Ready) -> Ready:
    """A call whose cache has a slot for the second one, where the model makes a cache of the first call's length."""
    import transformers

    fixed: Any = getattr(transformers, "HybridCache", ())
    with torch.no_grad():
        if not isinstance(ready.model(**ready.inputs).past_key_values, fixed):
            return ready
    config = getattr(ready.model.config, "text_config", ready.model.config)
    batch, length = ready.inputs["input_ids"].shape
    sizes = {"max_batch_size": batch, "max_cache_len": length + 1, "device": HERE, "dtype": torch.float32}
    return ready._replace(fresh=lambda: {"past_key_values": fixed(config, **sizes)})


def gemma3_text(directory: Path) -> Ready:
    from scenarios.common.models_gemma3 import gemma3_text

    return with_room(text_call(on_card(of("Gemma3ForCausalLM"), gemma3_text(directory, dtype="float32").path), IDS))


def gemma3_multimodal(directory: Path) -> Ready:
    from scenarios.common.models_gemma3 import gemma3_multimodal
    from scenarios.gemma3 import _cells

    loader = of("Gemma3ForConditionalGeneration")
    made = gemma3_multimodal(directory, dtype="float32")
    ids, types = _cells.picture_prompt(made)
    pixels = _cells.pixels(made, "float32").to(HERE)
    ready = text_call(on_card(loader, made.path), ids, pixel_values=pixels, token_type_ids=types.to(HERE))
    text = ready.more
    assert text is not None
    types = torch.zeros(1, 1, dtype=torch.long, device=HERE)
    return with_room(ready._replace(more=lambda cache: {**text(cache), "token_type_ids": types}))


def mini_gemini(directory: Path, size: str) -> Ready:
    from compatprobe import Cell, Unsupported
    from scenarios.mini_gemini import _checkpoint, _package

    try:
        _package.register(Cell("test", directory), _checkpoint.SIZES[size][0], "of-its-day")
    except Unsupported as error:
        pytest.skip(str(error))
    made = _checkpoint.write(directory, size)
    model = _package.load_pretrained(made.checkpoint.path, device="cpu").to(HERE)
    ids, mask = _checkpoint.prompts(made.checkpoint.config["vocab_size"])
    images, images_aux = _checkpoint.pictures(len(ids))
    inputs = {"input_ids": ids, "attention_mask": mask, "images": images, "images_aux": images_aux}
    return Ready(model, {**{name: tensor.to(HERE) for name, tensor in inputs.items()}, "return_dict": True})


MODELS: dict[str, Callable[[Path], Ready]] = {
    "llama": llama,
    "oneke": oneke,
    "gemma3 text": gemma3_text,
    "gemma3 multimodal": gemma3_multimodal,
    "mini-gemini 34b": lambda directory: mini_gemini(directory, "34b"),
    "mini-gemini 8x7b": lambda directory: mini_gemini(directory, "8x7b"),
}


def cached_layers(config: Any) -> int:
    return int(getattr(config, "text_config", config).num_hidden_layers)


def planted_runs(ready: Ready, device: str) -> list[tuple[Place, planting.Ended]]:
    """One run for each place."""
    runs = []
    for place in planting.places(ready):
        with place.plant(device):
            runs.append((place, planting.run(ready)))
    for name, tensor in ready.inputs.items():
        if isinstance(tensor, torch.Tensor):
            inputs = {**ready.inputs, name: tensor.to(device)}
            runs.append((Place("input of the model", name, lambda _: None), planting.run(ready, inputs)))
    if ready.more is not None:
        for layer in range(cached_layers(ready.model.config)):
            for which in (0, 1):
                place = Place("key-value cache", f"layer {layer} {'kv'[which]}", lambda _: None)
                ended = planting.run(ready, None, partial(planting.moved_cache, layer, which, device))
                runs.append((place, ended))
    return runs


@pytest.mark.parametrize("device", ["cuda:1", "cpu"])
@pytest.mark.parametrize("name", MODELS)
def test_planted_in_a_model(name: str, device: str, tmp_path: Path) -> None:
    with virtualcuda.devices(2, memory="1GiB"):
        ready = MODELS[name](tmp_path)
        plain = planting.run(ready)
        assert plain.error is None, plain.error
        assert not [mixture for mixture in plain.mixtures if mixture[1] is None]
        caught: Counter[str] = Counter()
        told: list[str] = []
        legal: Counter[str] = Counter()
        for place, ended in planted_runs(ready, device):
            illegal = [operator for operator, reason in ended.mixtures if reason is None]
            where = f"{place.kind} {place.name}"
            if ended.error is not None:
                assert isinstance(ended.error, RuntimeError), f"{where}: {ended.error!r}"
                assert planting.WORDS.search(str(ended.error)), f"{where}: {ended.error!r}"
                caught[place.kind] += 1
                continue
            assert not illegal, f"{where}: {illegal} took operands of two devices"
            torch.testing.assert_close(ended.outputs, plain.outputs, msg=lambda text, at=where: f"{at}: {text}")
            reasons = {reason for _, reason in ended.mixtures if reason}
            reasons |= {"moved back by the model"} if ended.moves > plain.moves else set()
            reasons = reasons or {"read by no operator with another operand"}
            legal.update(reasons)
            told.append(f"{where}: {', '.join(sorted(reasons))}")
        print(f"{name}, planted on {device}: {sum(caught.values()) + len(told)}, caught {dict(caught)}, {dict(legal)}")
        print(*told, sep="\n")
        for kind in ("weight", "input of a module", "result of a module"):
            assert caught[kind], f"no {kind} was caught"
