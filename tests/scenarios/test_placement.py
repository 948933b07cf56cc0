"""The arithmetic of real sizes against published counts and hand-computed shapes; every check with a planted fault."""

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from compatprobe import Cell  # noqa: E402
from scenarios.placement import _blocks, _maps  # noqa: E402
from scenarios.placement._blocks import GIB  # noqa: E402
from scenarios.placement._configs import MODELS  # noqa: E402
from scenarios.placement.real_size import real_size  # noqa: E402

pytestmark = pytest.mark.torch

TINY: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 8,
    "intermediate_size": 16,
    "max_position_embeddings": 32,
    "model_type": "llama",
    "num_attention_heads": 4,
    "num_hidden_layers": 3,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-05,
    "tie_word_embeddings": False,
    "torch_dtype": "float16",
    "vocab_size": 32,
}
#: Queries and output 8x8, keys and values 4x8, three of 8x16, two norms of 8.
TINY_LAYER = 2 * 64 + 2 * 32 + 3 * 128 + 2 * 8
ROOMY = {0: 10_000, 1: 10_000, "cpu": 0}
RIGHT = {"embed_tokens": "0", "layers.0": "0", "layers.1": "1", "layers.2": "1", "norm": "1", "lm_head": "1"}


@pytest.mark.parametrize("name", MODELS)
def test_published_number_of_parameters(name: str) -> None:
    published = MODELS[name]
    billions = sum(_blocks.blocks(published.config).values()) / 1e9
    # To the last digit that is published.
    assert billions == pytest.approx(published.billions, abs=0.06 if published.billions > 4.2 else 0.006)


@pytest.mark.parametrize(
    ("name", "exact"),
    [
        # The total that each repository's weights add up to.
        ("llama3.1-8b", 8_030_261_248),
        ("llama3.1-70b", 70_553_706_496),
        ("mixtral-8x7b", 46_702_792_704),
        ("gemma-2b", 2_506_172_416),
        ("yi-34b", 34_388_917_248),
        ("vicuna-7b", 6_738_415_616),
        ("vicuna-13b", 13_015_864_320),
        ("gemma3-4b", 4_300_079_472),
    ],
)
def test_exact_number_of_parameters(name: str, exact: int) -> None:
    assert sum(_blocks.blocks(MODELS[name].config).values()) == exact


def test_blocks_by_hand() -> None:
    counts = _blocks.blocks(TINY)
    assert counts == {
        "embedding": 256,
        **{f"layers.{number}": TINY_LAYER for number in range(3)},
        "norm": 8,
        "head": 256,
    }
    assert _blocks.blocks({**TINY, "tie_word_embeddings": True}) == {k: v for k, v in counts.items() if k != "head"}


def test_experts_by_hand() -> None:
    # Two experts have three matrices each, and the router a row for each.
    layer = _blocks.blocks({**TINY, "model_type": "mixtral", "num_local_experts": 2})["layers.0"]
    assert layer == TINY_LAYER + 3 * 128 + 2 * 8


def test_a_stated_head_width_counts() -> None:
    layer = _blocks.blocks({**TINY, "head_dim": 4})["layers.0"]
    assert layer == TINY_LAYER + 2 * 64 + 2 * 32


def test_gemma3_by_hand() -> None:
    text = {
        "head_dim": 4,
        "hidden_size": 8,
        "intermediate_size": 16,
        "model_type": "gemma3_text",
        "num_attention_heads": 2,
        "num_hidden_layers": 1,
        "num_key_value_heads": 1,
        "vocab_size": 32,
    }
    vision = {"hidden_size": 6, "image_size": 8, "intermediate_size": 10, "num_hidden_layers": 1, "patch_size": 2}
    counts = _blocks.blocks({"model_type": "gemma3", "text_config": text, "vision_config": vision})
    assert list(counts.items()) == [
        ("vision embedding", 6 * 12 + 6 + 16 * 6),
        ("vision layers.0", 4 * (36 + 6) + (60 + 10) + (60 + 6) + 2 * 12),
        ("vision norm", 12),
        ("projector", 48 + 6),
        ("embedding", 256),
        ("layers.0", 2 * 64 + 2 * 32 + 3 * 128 + 4 * 8 + 2 * 4),
        ("norm", 8),
    ]


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("model.layers.17.mlp.up_proj.weight", "layers.17"),
        ("layers.3.input_layernorm.weight", "layers.3"),
        ("model.embed_tokens.weight", "embedding"),
        ("language_model.model.norm.weight", "norm"),
        ("model.language_model.layers.2.self_attn.q_norm.weight", "layers.2"),
        ("lm_head.weight", "head"),
        ("vision_tower.vision_model.encoder.layers.4.mlp.fc1.bias", "vision layers.4"),
        ("model.vision_tower.vision_model.embeddings.patch_embedding.weight", "vision embedding"),
        ("model.vision_tower.vision_model.post_layernorm.weight", "vision norm"),
        ("model.multi_modal_projector.mm_soft_emb_norm.weight", "projector"),
    ],
)
def test_block_of(name: str, block: str) -> None:
    assert _blocks.block_of(name) == block


def test_fits_keeps_room_on_every_card() -> None:
    size = sum(_blocks.blocks(TINY).values()) * 2
    room = TINY_LAYER * 2
    assert _blocks.fits(TINY, [size + room])
    assert not _blocks.fits(TINY, [size + room - 1])
    # One layer, and the embedding before the first: two cards leave the third layer out.
    assert not _blocks.fits(TINY, [512 + 2 * room, 2 * room])
    assert _blocks.fits(TINY, [512 + 2 * room, 2 * room, 2 * room + 16 + 512])


def test_summary() -> None:
    held = ["vision embedding", "vision layers.0", "vision layers.1", "embedding", "layers.0", "layers.1", "layers.5"]
    assert _blocks.summary(held) == "vision embedding, vision layers 0-1, embedding, layers 0-1, layers 5"


def test_budgets() -> None:
    assert _maps.budgets("2x24", "cpu-64") == {0: 24 * GIB, 1: 24 * GIB, "cpu": 64 * GIB}
    assert _maps.budgets("1x80", "no-cpu") == {0: 80 * GIB, "cpu": 0}


def test_every_model_is_planned_on_all_cards_and_nothing_pointlessly() -> None:
    variants = list(real_size.variants())
    automatic = {(one["model"], one["cards"]) for one in variants if one["strategy"] == "auto"}
    assert automatic == {(name, cards) for name in MODELS for cards in ("1x24", "2x24", "4x24", "1x80", "2x80")}
    for one in variants:
        fits = _blocks.fits(MODELS[one["model"]].config, _blocks.cards(one["cards"]))
        assert fits <= (one["host"] == "no-cpu"), one
        assert (one["strategy"] == "sequential") <= (fits and not one["cards"].startswith("1x")), one


def model(layers: int = 3, dtype: Any = torch.float16) -> Any:
    """The tiny model, out of plain modules under a decoder's names."""

    def linear(outputs: int, inputs: int) -> Any:
        return torch.nn.Linear(inputs, outputs, bias=False)

    def layer() -> Any:
        return torch.nn.ModuleDict(
            {
                "q": linear(8, 8),
                "k": linear(4, 8),
                "v": linear(4, 8),
                "o": linear(8, 8),
                "gate": linear(16, 8),
                "up": linear(16, 8),
                "down": linear(8, 16),
                "norms": torch.nn.LayerNorm(8),
            }
        )

    with torch.device("meta"):
        made = torch.nn.Module()
        made.embed_tokens = torch.nn.Embedding(32, 8)
        made.layers = torch.nn.ModuleList(layer() for _ in range(layers))
        made.norm = torch.nn.LayerNorm(8, bias=False)
        made.lm_head = linear(32, 8)
    return made.to(dtype)


def checked(
    tmp_path: Path, devices: dict[str, str], made: Any = None, memory: Any = None, config: Any = None
) -> tuple[list[str], Cell]:
    """The names of the checks that do not hold."""
    cell = Cell("placement/real-size", tmp_path)
    _maps.check(cell, config or TINY, _maps.Chosen(made or model(), devices), memory or ROOMY)
    return [check["name"] for check in cell.checks if not check["measured"] <= check["limit"]], cell


def test_a_right_map_holds(tmp_path: Path) -> None:
    wrong, cell = checked(tmp_path, RIGHT)
    assert wrong == []
    assert len(cell.checks) == 6
    assert cell.fingerprint["fits on the cards"]
    assert [(one["device"], one["holds"]) for one in cell.fingerprint["placement"]] == [
        ("card 0", "embedding, layers 0"),
        ("card 1", "layers 1-2, norm, head"),
    ]


def test_a_split_layer_is_seen(tmp_path: Path) -> None:
    split = {name: device for name, device in RIGHT.items() if name != "layers.1"}
    parts = ("q", "k", "v", "o", "gate", "up", "down", "norms")
    split.update({f"layers.1.{part}": "0" if part < "h" else "1" for part in parts})
    assert checked(tmp_path, split)[0] == ["layers whole"]


def test_a_forgotten_module_is_seen(tmp_path: Path) -> None:
    assert checked(tmp_path, {k: v for k, v in RIGHT.items() if k != "norm"})[0] == ["nothing left out"]


def test_a_module_placed_twice_is_seen(tmp_path: Path) -> None:
    assert "nothing left out" in checked(tmp_path, {**RIGHT, "layers.2.q": "0"})[0]


def test_a_full_card_is_seen(tmp_path: Path) -> None:
    size = 2 * (256 + TINY_LAYER)
    assert checked(tmp_path, RIGHT, memory={**ROOMY, 0: size})[0] == []
    assert checked(tmp_path, RIGHT, memory={**ROOMY, 0: size - 1})[0] == ["budgets kept"]


def test_buffers_weigh_too(tmp_path: Path) -> None:
    made = model()
    made.layers[0].register_buffer("table", torch.zeros(1, dtype=torch.float16), persistent=False)
    assert checked(tmp_path, RIGHT, made, {**ROOMY, 0: 2 * (256 + TINY_LAYER)})[0] == ["budgets kept"]


def test_memory_that_is_not_there_is_seen(tmp_path: Path) -> None:
    memory = {0: 2000, "cpu": 0}
    assert checked(tmp_path, {**dict.fromkeys(RIGHT, "cpu"), "embed_tokens": "0"}, memory=memory)[0] == ["budgets kept"]


def test_needless_offload_is_seen(tmp_path: Path) -> None:
    assert checked(tmp_path, {**RIGHT, "lm_head": "disk"})[0] == ["cards used where all fits"]


def test_offload_is_right_where_the_cards_are_too_small(tmp_path: Path) -> None:
    wrong, cell = checked(tmp_path, {**dict.fromkeys(RIGHT, "disk"), "embed_tokens": "0"}, memory={0: 2000, "cpu": 0})
    assert wrong == []
    assert cell.fingerprint["placement"][-1]["holds"] == "layers 0-2, norm, head"


@pytest.mark.parametrize("made", [model(layers=2), model(dtype=torch.float32)], ids=["a layer less", "another dtype"])
def test_another_model_than_the_published_one_is_seen(made: Any, tmp_path: Path) -> None:
    assert "parameters as published" in checked(tmp_path, RIGHT, made)[0]


def test_tied_parameters_weigh_once_and_stay_together(tmp_path: Path) -> None:
    tied, made = {**TINY, "tie_word_embeddings": True}, model()
    made.lm_head.weight = made.embed_tokens.weight
    together = {**RIGHT, "lm_head": "0"}
    wrong, cell = checked(tmp_path, together, made, {**ROOMY, 0: 2 * (256 + TINY_LAYER)}, tied)
    assert wrong == []
    assert cell.fingerprint["placement"][0]["holds"] == "embedding, layers 0, head (tied)"
    assert checked(tmp_path, RIGHT, made, config=tied)[0] == ["tied together"]


def test_a_promise_to_tie_counts_as_tied(tmp_path: Path) -> None:
    tied, made = {**TINY, "tie_word_embeddings": True}, model()
    assert checked(tmp_path, {**RIGHT, "lm_head": "0"}, made, config=tied)[0] == ["parameters as published"]
    made.all_tied_weights_keys = {"lm_head.weight": "embed_tokens.weight"}
    assert checked(tmp_path, {**RIGHT, "lm_head": "0"}, made, config=tied)[0] == []


@pytest.mark.filterwarnings("ignore")
def test_the_versions_own_map_is_caught_and_nothing_stays_changed(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    before = [list(_maps._found(name)) for name in (_maps._PLANNER, _maps._EMPTY)]
    assert all(before)
    cell = Cell("placement/real-size", tmp_path)
    memory = {0: 4000, 1: 10_000, "cpu": 0}
    chosen = _maps.choose(cell, TINY, "sequential", memory)
    assert all(parameter.is_meta for parameter in chosen.model.parameters())
    assert all(buffer.is_meta for buffer in chosen.model.buffers()), "nothing was made on the CPU and thrown away"
    assert set(chosen.devices.values()) == {"0", "1"}
    assert [list(_maps._found(name)) for name in (_maps._PLANNER, _maps._EMPTY)] == before
    _maps.check(cell, TINY, chosen, memory)
    assert all(check["measured"] <= check["limit"] for check in cell.checks if check["name"] != "budgets kept")


def test_a_version_that_makes_no_map_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Loads:
        @classmethod
        def from_pretrained(cls, path: str, **options: Any) -> None:
            del path, options

    monkeypatch.setattr(_maps, "_PLACES", ())
    cell = Cell("placement/real-size", tmp_path)
    monkeypatch.setattr(cell, "architecture", lambda model_type: True)
    monkeypatch.setattr(cell, "api", lambda name: Loads)
    with pytest.raises(RuntimeError, match="without a call of infer_auto_device_map"):
        _maps.choose(cell, TINY, "auto", {0: 1})
