"""The float64 towers, mining and splice against numbers worked out by hand, and against torch's own layers."""

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from scenarios.common.references import mini_gemini, vision_towers  # noqa: E402

pytestmark = pytest.mark.torch


def double(values: Any) -> Any:
    return torch.tensor(values, dtype=torch.float64)


def random(*shape: int) -> Any:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(sum(shape)))


def identity_mining(width: int) -> Any:
    """Layer norm and linear layer that both change as little as they can."""
    tensors = {}
    for role in ("query", "aux", "val"):
        name = f"model.vlm_uni_{role}_projector"
        tensors[f"{name}.0.weight"] = torch.ones(width, dtype=torch.float64)
        tensors[f"{name}.0.bias"] = torch.zeros(width, dtype=torch.float64)
        tensors[f"{name}.1.weight"] = torch.eye(width, dtype=torch.float64)
        tensors[f"{name}.1.bias"] = torch.zeros(width, dtype=torch.float64)
    return tensors


def test_convolution_by_hand() -> None:
    picture = double([[[[1, 2, 3], [4, 5, 6], [7, 8, 9]]]])
    weight = double([[[[1, 0], [0, -1]]]])
    assert vision_towers.convolution(picture, weight).tolist() == [[[[-4, -4], [-4, -4]]]]
    assert vision_towers.convolution(picture, weight, stride=2, padding=1).tolist() == [[[[-1, -3], [-7, -4]]]]


@pytest.mark.parametrize(("groups", "stride", "padding"), [(1, 1, 0), (1, 4, 0), (3, 1, 3), (1, 2, 0)])
def test_convolution_is_torchs(groups: int, stride: int, padding: int) -> None:
    kernel = 7 if padding else 4
    picture, weight = random(2, 3, 16, 16), random(3 if groups == 3 else 5, 3 // groups, kernel, kernel)
    expected = torch.nn.functional.conv2d(picture, weight, stride=stride, padding=padding, groups=groups)
    torch.testing.assert_close(vision_towers.convolution(picture, weight, stride=stride, padding=padding), expected)


def test_enlarge_by_hand() -> None:
    # Centres of the new pixels: -0.25 (the edge), 0.25, 0.75, 1.25 (the edge).
    row = vision_towers.enlarge(double([[[[0, 4], [0, 4]]]]), 4)[0, 0, 0]
    assert row.tolist() == [0, 1, 3, 4]


def test_enlarge_is_torchs() -> None:
    picture = random(1, 2, 6, 6)
    expected = torch.nn.functional.interpolate(picture, size=(12, 12), mode="bilinear", align_corners=False)
    torch.testing.assert_close(vision_towers.enlarge(picture, 12), expected)


def test_layer_norm_by_hand() -> None:
    normed = vision_towers.layer_norm(double([1, 3]), double([2, 1]), double([0, 10]), 0.0)
    assert normed.tolist() == [-2, 11]


def test_gelu_by_hand() -> None:
    assert vision_towers.gelu(double([0.0, 1.0])).tolist() == pytest.approx([0.0, 0.8413447460685429])


def test_mining_of_equal_candidates_is_their_value() -> None:
    """Where all candidates agree the weights do not matter: layer norm takes (1, 3) to (-1, 1)."""
    low = double([[[0.0, 2.0]] * 4])
    high = double([1.0, 3.0]).reshape(1, 2, 1, 1).expand(1, 2, 4, 4)
    mined = mini_gemini.mine(identity_mining(2), low, high)
    torch.testing.assert_close(mined, double([[[-1.0, 3.0]] * 4]), rtol=0, atol=1e-4)


def test_mining_weighs_candidates_by_hand() -> None:
    """One patch, two kinds of candidates: scores are +sqrt(2) and -sqrt(2) after layer norm to (-1, 1) and (1, -1)."""
    high = double([[0.0, 2.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0]]).T.reshape(1, 2, 2, 2)
    mined = mini_gemini.mine(identity_mining(2), double([[[5.0, 7.0]]]), high)
    like, unlike = math.exp(math.sqrt(2)), 3 * math.exp(-math.sqrt(2))
    read = (like - unlike) / (like + unlike)
    torch.testing.assert_close(mined, double([[[5.0 - read, 7.0 + read]]]), rtol=0, atol=1e-4)


def test_mining_looks_only_at_its_own_patch() -> None:
    low, high = random(1, 9, 4), random(1, 4, 6, 6)
    before = mini_gemini.mine(identity_mining(4), low, high)
    high[:, :, 2:4, 4:6] += random(1, 4, 2, 2)
    changed = (mini_gemini.mine(identity_mining(4), low, high) != before).any(-1)[0]
    assert changed.nonzero().flatten().tolist() == [5]


def test_splice_by_hand() -> None:
    embedding = double([[0, 0], [1, 1], [2, 2]])
    features = double([[[7, 8], [9, 10]]])
    spliced = mini_gemini.splice(embedding, torch.tensor([2, mini_gemini.IMAGE_TOKEN, 1]), features)
    assert spliced.tolist() == [[2, 2], [7, 8], [9, 10], [1, 1]]


def test_clip_without_layers_is_the_patches() -> None:
    """One 1x1 patch embedding, no position: normalised pixels come out, the class token does not."""
    tensors = {
        "vision_model.embeddings.patch_embedding.weight": torch.eye(3)[:, :, None, None],
        "vision_model.embeddings.class_embedding": torch.tensor([9.0, 9.0, 0.0]),
        "vision_model.embeddings.position_embedding.weight": torch.zeros(2, 3),
        "vision_model.pre_layrnorm.weight": torch.ones(3),
        "vision_model.pre_layrnorm.bias": torch.zeros(3),
    }
    config = {"patch_size": 1, "num_hidden_layers": 0, "num_attention_heads": 1}
    features = vision_towers.clip(config, tensors, torch.tensor([1.0, 2.0, 3.0]).reshape(1, 3, 1, 1), -1)
    expected = double([[[-math.sqrt(1.5), 0, math.sqrt(1.5)]]])
    torch.testing.assert_close(features, expected, rtol=0, atol=1e-4)


@pytest.fixture
def made(tmp_path: Any) -> Any:
    from scenarios.mini_gemini import _checkpoint

    return _checkpoint.write(tmp_path, "7b")


def test_towers_that_are_loaded_compute_the_reference(made: Any) -> None:
    from scenarios.mini_gemini import _checkpoint, _towers

    images, images_aux = _checkpoint.pictures(2)
    config = made.checkpoint.config
    clip = _towers.ClipTower(config["mm_vision_tower"], -2)
    expected = vision_towers.clip(made.towers.clip_config, made.towers.clip, images, -2)
    torch.testing.assert_close(clip(images).double(), expected, rtol=1e-4, atol=1e-4)
    convnext = _towers.ConvNextTower(config["mm_vision_tower_aux"])
    expected = vision_towers.convnext(made.towers.convnext, images_aux)
    torch.testing.assert_close(convnext(images_aux).double(), expected, rtol=1e-4, atol=1e-4)


def test_a_delayed_tower_has_no_parameters(made: Any) -> None:
    from scenarios.mini_gemini import _towers

    tower = _towers.ConvNextTower(made.checkpoint.config["mm_vision_tower_aux"], delay_load=True)
    assert not tower.is_loaded
    assert not list(tower.parameters())


@pytest.mark.parametrize(
    "name",
    [
        "model.mm_projector.0.weight",
        "model.mm_projector.2.bias",
        "model.vlm_uni_query_projector.1.weight",
        "model.vlm_uni_aux_projector.0.weight",
        "model.vlm_uni_val_projector.1.weight",
    ],
)
def test_every_vision_weight_moves_the_logits(made: Any, name: str) -> None:
    """One per cent of one tensor is far above the tolerance of any cell in float32."""
    from scenarios.mini_gemini import _checkpoint

    images = _checkpoint.pictures(1)
    ids = torch.tensor([[1, mini_gemini.IMAGE_TOKEN, 5, 9]])
    checkpoint = made.checkpoint
    right = mini_gemini.logits_function(checkpoint.config, checkpoint.tensors, made.towers, *images)(ids)
    broken = {**checkpoint.tensors, name: checkpoint.tensors[name] * 1.01}
    wrong = mini_gemini.logits_function(checkpoint.config, broken, made.towers, *images)(ids)
    assert float((right - wrong)[:, -1].abs().max()) > 1e-3
