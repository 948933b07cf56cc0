"""transformers and accelerate place, offload, dispatch and run a small Llama on virtual devices as on real ones."""

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import virtualcuda
from virtualcuda.sizes import parse_size

pytest.importorskip("transformers")
pytest.importorskip("accelerate")

# Old versions of transformers warn about new versions of everything else.
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]

LAYERS = 8
IDS = [[1, 17, 230, 31, 44, 5, 611, 87], [1, 9, 305, 777, 12, 6, 81, 450]]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of 8 layers, 20 MiB in float32, in several shards."""
    import accelerate  # noqa: F401
    import transformers

    transformers.logging.set_verbosity_error()
    gc.freeze()  # transformers collects after every shard, and the imported modules are many
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=1000,
        hidden_size=256,
        intermediate_size=512,
        num_hidden_layers=LAYERS,
        num_attention_heads=8,
        num_key_value_heads=4,
        max_position_embeddings=256,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
        tie_word_embeddings=False,
    )
    directory = tmp_path_factory.mktemp("llama")
    model = transformers.LlamaForCausalLM(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1, 0.1) if "norm" in name else parameter.normal_(0, 0.08)
    model.save_pretrained(str(directory), max_shard_size="12MB")
    return directory


def load(checkpoint: Path, **options: Any) -> Any:
    import transformers

    return transformers.AutoModelForCausalLM.from_pretrained(str(checkpoint), **options).eval()


def run(model: Any, device: Any) -> tuple[Any, Any]:
    """Logits and greedily generated tokens, on the CPU."""
    ids = torch.tensor(IDS, device=device)
    with torch.no_grad():
        logits = model(ids).logits
        tokens = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False)
    return logits.float().cpu(), tokens.cpu()


@pytest.fixture(scope="module")
def expected(checkpoint: Path) -> tuple[Any, Any]:
    return run(load(checkpoint), "cpu")


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Every test gives back all device memory (the context of `three_devices` is outside of this)."""
    yield
    gc.collect()
    left = [virtualcuda.statistics(index) for index in range(virtualcuda.device_count())]
    assert all(figures.used <= 64 << 10 for figures in left), left


def explicit(*devices: Any) -> dict[str, Any]:
    """A map that spreads the layers evenly over `devices`; the embedding on the first, the head on the last."""
    places = {f"model.layers.{i}": devices[i * len(devices) // LAYERS] for i in range(LAYERS)}
    ends = {
        "model.embed_tokens": devices[0],
        "model.rotary_emb": devices[0],
        "model.norm": devices[1],
        "lm_head": devices[1],
    }
    return {**ends, **places}


# name: (cards, free memory of each, options, the devices that must be used)
PLACEMENTS: dict[str, tuple[int, str, dict[str, Any], set[str]]] = {
    "auto": (2, "64MiB", {"device_map": "auto"}, {"0", "1"}),
    "auto, three": (3, "64MiB", {"device_map": "auto"}, {"0", "1", "2"}),
    "balanced, three": (3, "64MiB", {"device_map": "balanced"}, {"0", "1", "2"}),
    "balanced_low_0": (3, "64MiB", {"device_map": "balanced_low_0"}, {"1", "2"}),
    "sequential": (2, "64MiB", {"device_map": "sequential", "max_memory": {0: "8MiB", 1: "64MiB"}}, {"0", "1"}),
    "max_memory, three": (
        3,
        "64MiB",
        {"device_map": "sequential", "max_memory": {0: "8MiB", 1: "8MiB", 2: "64MiB"}},
        {"0", "1", "2"},
    ),
    "cpu overflow": (
        2,
        "64MiB",
        {"device_map": "auto", "max_memory": {0: "8MiB", 1: "8MiB", "cpu": "1GiB"}},
        {"0", "1", "cpu"},
    ),
    "disk overflow": (
        2,
        "64MiB",
        {"device_map": "auto", "max_memory": {0: "6MiB", 1: "6MiB", "cpu": "5MiB"}},
        {"0", "1", "cpu", "disk"},
    ),
    "small cards": (2, "10MiB", {"device_map": "auto"}, {"0", "1", "cpu"}),
    "explicit numbers": (2, "64MiB", {"device_map": explicit(0, 1)}, {"0", "1"}),
    "explicit numbers, cpu and disk": (
        2,
        "64MiB",
        {"device_map": explicit(0, 1, "cpu", "disk")},
        {"0", "1", "cpu", "disk"},
    ),
    # One card: of several named ones accelerate takes any for its inputs, by a set's order (PYTHONHASHSEED), and
    # transformers 4.39.0 fails when that is not the embedding's.
    "explicit names": (2, "64MiB", {"device_map": explicit("cuda:1", "cpu", "disk")}, {"cuda:1", "cpu", "disk"}),
    "second card only": (2, "64MiB", {"device_map": {"": 1}}, {"1"}),
    "eager attention": (2, "64MiB", {"device_map": "auto", "attn_implementation": "eager"}, {"0", "1"}),
}


@pytest.mark.parametrize("name", PLACEMENTS)
def test_placements(name: str, checkpoint: Path, expected: tuple[Any, Any], tmp_path: Path) -> None:
    count, free, options, wanted = PLACEMENTS[name]
    options = {key: dict(value) if isinstance(value, dict) else value for key, value in options.items()}
    budgets = {index: parse_size(size) for index, size in options.get("max_memory", {}).items()}
    with virtualcuda.devices(count, memory="8GiB", free=free):
        model = load(checkpoint, offload_folder=str(tmp_path), **options)
        placed = getattr(model, "hf_device_map", None) or {"": options["device_map"][""]}
        assert {str(device) for device in placed.values()} == wanted
        for index in range(count):
            assert virtualcuda.statistics(index).used <= budgets.get(index, parse_size(free))
        if len(wanted) > 1:
            cards = [int(device[-1]) for device in wanted - {"cpu", "disk"}]
            assert all(virtualcuda.statistics(card).used > 1 << 20 for card in cards)
        logits, tokens = run(model, next(iter(placed.values())))
        torch.testing.assert_close(logits, expected[0], rtol=1e-4, atol=1e-4)
        assert torch.equal(tokens, expected[1])
        del model
        gc.collect()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision(dtype: str, checkpoint: Path) -> None:
    with virtualcuda.devices(2, memory="8GiB", free="64MiB"):
        reference, _ = run(load(checkpoint, torch_dtype=getattr(torch, dtype)), "cpu")
        model = load(checkpoint, torch_dtype=getattr(torch, dtype), device_map="auto")
        assert next(model.parameters()).dtype == getattr(torch, dtype)
        logits, _ = run(model, "cuda:0")
        # Attention is computed another way (the CPU's fused kernel against the plain one), so roundings differ.
        scale = float(reference.abs().max())
        assert float((logits - reference).abs().max()) <= scale * LAYERS * torch.finfo(getattr(torch, dtype)).eps
        del model
        gc.collect()


def test_accelerate_offload(checkpoint: Path, expected: tuple[Any, Any], tmp_path: Path) -> None:
    import accelerate

    device = torch.device("cuda:1")
    for to_disk in (False, True):
        plain = load(checkpoint)
        if to_disk:
            model = accelerate.disk_offload(plain, str(tmp_path), execution_device=device)
        else:
            model = accelerate.cpu_offload(plain, execution_device=device)
        with torch.no_grad():
            logits = model(torch.tensor(IDS)).logits
        torch.testing.assert_close(logits.cpu(), expected[0], rtol=1e-4, atol=1e-4)
        assert 0 < virtualcuda.statistics(1).peak < 20 << 20  # weights came one by one
        del model, plain, logits
        gc.collect()


def test_out_of_memory_anywhere_in_a_load_leaves_exact_figures(checkpoint: Path) -> None:
    parts = 16
    with virtualcuda.devices(1, memory="8GiB", free="64MiB"):
        load(checkpoint, device_map={"": 0})
        gc.collect()
        peak, before = virtualcuda.statistics(0).peak, virtualcuda.statistics(0)[2:5:2]
    refused = 0
    for part in range(parts):
        with virtualcuda.devices(1, memory="8GiB", free=peak * part // parts):
            try:
                load(checkpoint, device_map={"": 0})
            except torch.cuda.OutOfMemoryError as error:
                error.__traceback__ = None  # its frames hold what was loaded so far
                refused += 1
            gc.collect()
            assert virtualcuda.statistics(0)[2:5:2] == before, f"with {part}/{parts} of what it takes"
    assert refused == parts


# ---- failures that were reported, with their messages


def dispatch_without_its_weights(checkpoint: Path) -> None:
    """zjunlp/DeepKE#634: AutoModel's names lack the prefix, so nothing is loaded, and dispatch finds meta tensors."""
    import accelerate
    import transformers

    config = transformers.AutoConfig.from_pretrained(str(checkpoint))
    with accelerate.init_empty_weights():
        model = transformers.AutoModel.from_config(config)
    places = accelerate.infer_auto_device_map(
        model, max_memory={0: "12MiB", 1: "12MiB"}, no_split_module_classes=["LlamaDecoderLayer"]
    )
    accelerate.load_checkpoint_in_model(model, str(checkpoint), device_map=places)
    accelerate.dispatch_model(model, device_map=places)


class Forgetful(torch.nn.Module):  # type: ignore[misc]
    """Keeps a tensor that no hook moves."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = torch.nn.Linear(64, 64), torch.nn.Linear(64, 64)
        self.scale = torch.ones(1, 64)


class ForgetsActivation(Forgetful):
    def forward(self, x: Any) -> Any:
        hidden = self.first(x)
        return self.second(hidden) + hidden


class ForgetsAttribute(Forgetful):
    def forward(self, x: Any) -> Any:
        return self.second(self.first(x)) * self.scale


def dispatched(kind: type[Forgetful]) -> None:
    import accelerate

    accelerate.dispatch_model(kind(), {"first": 0, "second": 1})(torch.randn(2, 64))


FAILURES: dict[str, tuple[Callable[[Path], Any], type[Exception], str]] = {
    "weights never loaded": (
        dispatch_without_its_weights,
        ValueError,
        r"weight is on the meta device, we need a `value` to put in on 0",
    ),
    "ids on the wrong card": (
        lambda path: load(path, device_map={"": 1}).model.embed_tokens(torch.tensor(IDS, device="cuda:0")),
        RuntimeError,
        r"Expected all tensors to be on the same device.*wrapper_CUDA__index_select",
    ),
    "activation left behind": (
        lambda path: dispatched(ForgetsActivation),
        RuntimeError,
        "at least two devices, cuda:1 and cuda:0!",
    ),
    "attribute left behind": (
        lambda path: dispatched(ForgetsAttribute),
        RuntimeError,
        "at least two devices, cuda:1 and cpu!",
    ),
    "card too small": (
        lambda path: load(path, device_map={"": 2}),
        torch.cuda.OutOfMemoryError,
        r"CUDA out of memory.*GPU 2",
    ),
}


@pytest.mark.parametrize("name", FAILURES)
def test_reported_failures(name: str, checkpoint: Path) -> None:
    fail, kind, message = FAILURES[name]
    with virtualcuda.devices(3, memory="8GiB", free=["64MiB", "64MiB", "6MiB"]):
        with pytest.raises(kind, match=message) as caught:
            fail(checkpoint)
        caught.value.__traceback__ = None  # its frames hold the model
        del caught
        gc.collect()
