"""Which cells fit which checkpoint, and what it takes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compatmatrix.errors import InputError
from compatmatrix.trying.choose import PLANS, Asked, choose
from compatmatrix.trying.estimate import GIB, estimate, limit, seconds, told
from compatmatrix.trying.found import Found, Tensor
from tests.trying.files import LLAMA

ROOM = 64 * GIB


def found(stored: str = "float32", numbers: int = 1000, **config: Any) -> Found:
    """A checkpoint of ten equal tensors."""
    width = {"float32": 4, "float16": 2, "bfloat16": 2}[stored]
    share = max(numbers // 10, 1)
    tensor = Tensor(file="m", dtype=stored, shape=(share,), start=0, end=share * width)
    whole: Mapping[str, Any] = {**LLAMA, **config}
    return Found(
        directory=Path("c"),
        config=whole,
        tensors={f"w{number}": tensor for number in range(10)},
        bytes=10 * share * width,
        stored=stored,
        code=tuple(whole.get("auto_map", {}).values()),
    )


def cells(one: Found, asked: Asked = Asked(), room: int = ROOM) -> list[str]:  # noqa: B008 - frozen
    choice = choose(one, estimate(one, room), asked)
    return [id for name, some in choice.cells.items() for id in some.ids(name)]


def test_a_decoder_is_tried_in_every_way() -> None:
    primary = "LlamaForCausalLM"
    assert cells(found()) == [
        "given/config",
        f"given/load[{primary},default]",
        "given/load[AutoModelForCausalLM,default]",
        "given/load[AutoModel,default]",
        f"given/load[{primary},float16]",
        f"given/load[{primary},bfloat16]",
        f"given/plan[{primary},cpu]",
        f"given/plan[{primary},auto]",
        f"given/plan[{primary},cpu+disk]",
        f"given/plan[{primary},2-cards]",
        f"given/generate[{primary},default,cached]",
        f"given/generate[{primary},default,uncached]",
        f"given/save[{primary}]",
    ]


def test_what_it_is_about() -> None:
    choice = choose(found(), estimate(found(), ROOM), Asked(plans=("cpu+disk",)))
    assert set(choice.essential) == {
        "given/config",
        "given/load[LlamaForCausalLM,default]",
        "given/generate[LlamaForCausalLM,default,cached]",
        "given/plan[LlamaForCausalLM,cpu+disk]",
    }


def test_versions_are_compared_in_float32() -> None:
    assert choose(found(), estimate(found(), ROOM), Asked()).compared == ("given/load[LlamaForCausalLM,default]",)
    half = found("bfloat16")
    assert choose(half, estimate(half, ROOM), Asked()).compared == ("given/load[LlamaForCausalLM,float32]",)


@pytest.mark.parametrize(
    ("config", "auto", "writes"),
    [
        ({"architectures": ["BertForMaskedLM"]}, "AutoModelForMaskedLM", False),
        ({"architectures": ["GPT2LMHeadModel"]}, "AutoModelForCausalLM", True),
        ({"architectures": ["T5ForConditionalGeneration"]}, "AutoModelForSeq2SeqLM", True),
        ({"architectures": ["XForConditionalGeneration"], "vision_config": {}}, "AutoModelForImageTextToText", True),
        (
            {"architectures": ["WhisperForConditionalGeneration"], "model_type": "whisper"},
            "AutoModelForSpeechSeq2Seq",
            False,
        ),
        ({"architectures": ["ViTForImageClassification"]}, "AutoModelForImageClassification", False),
        ({"architectures": ["BertModel"]}, "AutoModel", False),
        ({"architectures": None}, "AutoModel", False),
    ],
)
def test_the_class_that_people_call(config: dict[str, Any], auto: str, writes: bool) -> None:
    chosen = cells(found(**config))
    assert f"given/load[{auto},default]" in chosen
    assert any(cell.startswith("given/generate") for cell in chosen) is writes


def test_one_class_alone() -> None:
    chosen = cells(found(), Asked(model_class="AutoModel"))
    assert {cell for cell in chosen if "AutoModel" not in cell} == {"given/config"}
    assert not any("LlamaForCausalLM" in cell for cell in chosen)


def test_only_its_own_class_must_have_a_place_for_everything() -> None:
    choice = choose(found(), estimate(found(), ROOM), Asked(model_class="AutoModel"))
    assert choice.whole == ("LlamaForCausalLM", "AutoModelForCausalLM")


def test_a_checkpoint_with_code_goes_by_the_auto_class() -> None:
    own = found(auto_map={"AutoConfig": "c.X", "AutoModelForCausalLM": "m.X"}, architectures=["XForCausalLM"])
    assert "given/load[AutoModelForCausalLM,default]" in cells(own)
    assert not any("XForCausalLM" in cell for cell in cells(own))


@pytest.mark.parametrize(("given_plan", "plan"), [("virtual-cuda:2", "2-cards"), ("auto", "auto")])
def test_plans_by_name(given_plan: str, plan: str) -> None:
    assert [cell for cell in cells(found(), Asked(plans=(given_plan,))) if "plan" in cell] == [
        f"given/plan[LlamaForCausalLM,{plan}]"
    ]


def test_a_plan_that_is_none() -> None:
    with pytest.raises(InputError, match=r"no plan 'cpu\+disc'. Did you mean 'cpu\+disk'"):
        cells(found(), Asked(plans=("cpu+disc",)))


def test_what_does_not_fit_is_only_placed() -> None:
    large = found("bfloat16", 70 * 10**9)
    choice = choose(large, estimate(large, 16 * GIB), Asked())
    assert choice.unloaded.startswith("it needs 144.4 GiB as it is stored, and 13.6 GiB")
    assert set(choice.cells) == {"config", "placement"}
    assert all(cell.startswith("given/config") for cell in choice.essential)


def test_what_fits_only_as_it_is_stored_is_loaded_so() -> None:
    half = found("bfloat16", 4 * 10**9)
    choice = choose(half, estimate(half, 14 * GIB), Asked())
    assert {cell[1] for cell in choice.cells["load"].cells} == {"bfloat16"}
    assert not choice.in_float64
    assert any("loaded as bfloat16 only" in note for note in choice.notes)


def test_quantised_weights_are_not_loaded() -> None:
    one = found(quantization_config={"quant_method": "gptq"})
    choice = choose(one, estimate(one, ROOM), Asked())
    assert "quantised (gptq)" in choice.unloaded
    assert set(choice.cells) == {"config"}


@given(
    numbers=st.integers(1, 10**12),
    room=st.integers(0, 10**13),
    stored=st.sampled_from(["float32", "float16", "bfloat16"]),
    asked=st.sampled_from([(), *((plan,) for plan in PLANS)]),
)
def test_nothing_is_loaded_beyond_the_room(numbers: int, room: int, stored: str, asked: tuple[str, ...]) -> None:
    one = found(stored, numbers)
    needs = estimate(one, room)
    choice = choose(one, needs, Asked(plans=asked))
    assert choice.need <= needs.room
    assert bool(choice.unloaded) is ("load" not in choice.cells)
    ids = {id for name, some in choice.cells.items() for id in some.ids(name)}
    assert set(choice.essential) <= ids
    assert set(choice.compared) <= ids
    assert choice.essential


@given(need=st.integers(0, 10**13), policy=st.integers(1, 10**11))
def test_a_limit_holds_what_is_needed_and_no_more_than_twice(need: int, policy: int) -> None:
    most = limit(need, policy)
    assert most >= max(need, policy)
    assert most <= max(policy, 2 * need, GIB)


def test_words_and_times() -> None:
    assert (told(3 * GIB // 2), told(310 << 20)) == ("1.5 GiB", "310 MiB")
    assert (seconds(GIB, 120), seconds(30 * GIB, 120)) == (120, 1800)


def test_pickles_are_read_as_a_whole() -> None:
    size = 8 * GIB
    pickled = Found(directory=Path("c"), config=LLAMA, weights=("pytorch_model.bin",), bytes=size, largest_file=size)
    assert estimate(pickled, ROOM).as_stored == 17 * GIB
