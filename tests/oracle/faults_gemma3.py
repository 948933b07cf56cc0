"""Faults in what only Gemma 3 has: windows, scaled embeddings, pictures."""

from collections.abc import Callable
from typing import Any

import torch

from tests.oracle.anatomy import Absent, around, fault, first, layers, named, on_output, text_config


@fault("gemma3-text", "gemma3")
def window_off_by_one(model: Any) -> None:
    _widen(model, 1)


@fault("gemma3-text")
def window_lost(model: Any) -> None:
    _widen(model, 1000)


def _widen(model: Any, more: int) -> None:
    for module in model.modules():
        if isinstance(getattr(module, "sliding_window", None), int):
            module.sliding_window += more
    text_config(model).sliding_window += more


@fault("gemma3-text", "gemma3", eager=True)
def global_layer_sees_a_window(model: Any) -> None:
    """Of six tokens, in the prompt; decoding is left as it is."""

    def hook(_module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        mask = kwargs["attention_mask"]
        if mask.shape[-2] == 1:
            return args, kwargs
        beyond = torch.ones(mask.shape[-2], mask.shape[-1]).tril(-6).bool()
        return args, {**kwargs, "attention_mask": mask.masked_fill(beyond, torch.finfo(mask.dtype).min)}

    layers(model)[5].self_attn.register_forward_pre_hook(hook, with_kwargs=True)


@fault("gemma3-text")
def layer_out_of_its_pattern(model: Any) -> None:
    """The modules of a local and of the global layer in each other's place."""
    found = layers(model)
    found[4], found[5] = found[5], found[4]


@fault("gemma3-text", "gemma3")
def embedding_scale_lost(model: Any) -> None:
    root = text_config(model).hidden_size ** 0.5
    on_output(first(model, "embed_tokens"), lambda value: value / root)


@fault("gemma3-text", "gemma3")
def embedding_scale_rounded(model: Any) -> None:
    """As if it were computed in bfloat16."""
    root = torch.tensor(text_config(model).hidden_size ** 0.5)
    on_output(first(model, "embed_tokens"), lambda value: value * (root.bfloat16().float() / root))


@fault("gemma3")
def image_features_unscaled(model: Any) -> None:
    """Divided by the root of the width, as PaliGemma's are."""
    on_output(_projector(model), lambda value: value / text_config(model).hidden_size ** 0.5)


@fault("gemma3")
def image_features_of_another_row(model: Any) -> None:
    on_output(_projector(model), lambda value: value.flip(0))


@fault("gemma3")
def image_features_transposed(model: Any) -> None:
    """Pooled down the columns, where the rows come first."""
    on_output(_projector(model), lambda value: value[:, [0, 2, 1, 3]])


@fault("gemma3")
def image_features_lost(model: Any) -> None:
    on_output(_projector(model), torch.zeros_like)


@fault("gemma3")
def image_ignored(model: Any) -> None:
    """The same picture whatever is given."""
    _tower(model).register_forward_pre_hook(_another_picture, with_kwargs=True)


def _another_picture(_module: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    changed = {name: torch.zeros_like(value) if name == "pixel_values" else value for name, value in kwargs.items()}
    return tuple(torch.zeros_like(value) for value in args), changed


def _projector(model: Any) -> Any:
    return first(model, "multi_modal_projector")


def _tower(model: Any) -> Any:
    return next(m for name, m in model.named_modules() if name.endswith("vision_tower"))


@fault("gemma3")
def projector_norm_skipped(model: Any) -> None:
    around(first(model, "mm_soft_emb_norm"), lambda _forward, kwargs: next(iter(kwargs.values())))


@fault("gemma3")
def projector_transposed(model: Any) -> None:
    """The first square of the matrix."""
    weight = _projector(model).mm_input_projection_weight
    side = min(weight.shape)
    with torch.no_grad():
        weight[:side, :side] = weight[:side, :side].t().clone()


@fault("gemma3")
def pictures_seen_causally(model: Any) -> None:
    def change(forward: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
        types = kwargs.get("token_type_ids")
        return forward(**{**kwargs, "token_type_ids": None if types is None else torch.zeros_like(types)})

    around(model, change)


@fault("gemma3")
def patch_positions_lost(model: Any) -> None:
    on_output(_in_tower(model, "position_embedding"), torch.zeros_like)


@fault("gemma3")
def patch_positions_uninitialised(model: Any) -> None:
    torch.nn.init.normal_(_in_tower(model, "position_embedding").weight)


@fault("gemma3")
def patch_position_ids_lost(model: Any) -> None:
    embeddings = _in_tower(model, "embeddings")
    if "position_ids" not in embeddings._buffers:
        raise Absent("no position ids are kept")
    embeddings._buffers["position_ids"] = torch.zeros_like(embeddings.position_ids)


@fault("gemma3")
def patch_position_ids_on_meta(model: Any) -> None:
    embeddings = _in_tower(model, "embeddings")
    if "position_ids" not in embeddings._buffers:
        raise Absent("no position ids are kept")
    embeddings._buffers["position_ids"] = embeddings.position_ids.to("meta")


@fault("gemma3")
def bias_lost(model: Any) -> None:
    _in_tower(model, "q_proj").bias = None


@fault("gemma3")
def bias_zeroed(model: Any) -> None:
    torch.nn.init.zeros_(_in_tower(model, "fc1").bias)


@fault("gemma3")
def vision_layer_skipped(model: Any) -> None:
    layer = _in_tower(model, "layers")[0]

    def change(forward: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
        output, states = forward(**kwargs), kwargs["hidden_states"]
        return (states, *output[1:]) if isinstance(output, tuple) else states

    around(layer, change)


def _in_tower(model: Any, last: str) -> Any:
    found = [m for name, m in model.named_modules() if "vision" in name and name.rpartition(".")[2] == last]
    if not found:
        raise Absent(f"no vision module is called {last}")
    return found[0]


@fault("gemma3")
def vision_norm_left_out(model: Any) -> None:
    around(_in_tower(model, "post_layernorm"), lambda _forward, kwargs: next(iter(kwargs.values())))


@fault("gemma3-text")
def embedding_scale_buffer_lost(model: Any) -> None:
    embedding = named(model, "embed_tokens")[0]
    if "embed_scale" not in embedding._buffers:
        raise Absent("the scale is no buffer")
    embedding._buffers["embed_scale"] = torch.ones_like(embedding.embed_scale)
