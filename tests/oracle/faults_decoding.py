"""Faults that show when tokens are written."""

import copy
from collections.abc import Callable
from typing import Any

import torch

from tests.oracle.anatomy import Absent, around, bend_cache, bend_mask, cached, decoding, fault, layers

_CACHED = ("llama", "gemma3-text", "mixtral")


@fault(*_CACHED, "gemma3")
def cached_token_repeated(model: Any) -> None:
    """The entry of one token overwritten by its neighbour's."""

    def change(cache: Any) -> None:
        for values in cached(cache, _wide(model)):
            values[:, :, 7] = values[:, :, 6]

    bend_cache(model, change)


@fault(*_CACHED)
def cached_keys_one_place_off(model: Any) -> None:
    def change(cache: Any) -> None:
        keys, _ = cached(cache, _wide(model))
        keys[:, :, 4:9] = keys[:, :, 5:10].clone()

    bend_cache(model, change)


@fault(*_CACHED)
def cached_value_lost(model: Any) -> None:
    """Of a single token, in one layer."""

    def change(cache: Any) -> None:
        cached(cache, _wide(model))[1][:, :, 6] = 0

    bend_cache(model, change)


@fault(*_CACHED)
def cache_of_one_layer_lost(model: Any) -> None:
    def change(cache: Any) -> None:
        for values in cached(cache, 0):
            values.zero_()

    bend_cache(model, change)


@fault(*_CACHED)
def cache_of_another_row(model: Any) -> None:
    """As after a beam search that was not put in order."""

    def change(cache: Any) -> None:
        for values in cached(cache, _wide(model)):
            values.copy_(values.flip(0).clone())

    bend_cache(model, change)


@fault("llama", "mixtral")
def caches_of_two_layers_swapped(model: Any) -> None:
    def change(cache: Any) -> None:
        for one, other in zip(cached(cache, 0), cached(cache, 1), strict=True):
            kept = one.clone()
            one.copy_(other)
            other.copy_(kept)

    bend_cache(model, change)


@fault("llama", "gemma3-text")
def cache_in_bfloat16(model: Any) -> None:
    def change(cache: Any) -> None:
        for layer in range(len(layers(model))):
            for values in cached(cache, layer):
                values.copy_(values.bfloat16().to(values.dtype))

    bend_cache(model, change)


def _wide(model: Any) -> int:
    """A layer that sees everything: Gemma 3's sixth."""
    return 5 if len(layers(model)) > 5 else 1


@fault("llama", "mixtral", eager=True)
def cache_of_one_layer_ignored(model: Any) -> None:
    """A new token sees nothing but itself, in one layer."""

    def change(mask: torch.Tensor) -> torch.Tensor:
        if mask.shape[-2] > 1:
            return mask
        changed = torch.full_like(mask, torch.finfo(mask.dtype).min)
        changed[..., -1] = 0
        return changed

    bend_mask(layers(model)[1].self_attn, change)


@fault("llama", "mixtral")
def cache_not_updated(model: Any) -> None:
    """Each new token is forgotten: only the prompt is remembered."""

    def change(forward: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
        if not decoding(kwargs):
            return forward(**kwargs)
        kept = kwargs["past_key_values"]
        output = forward(**{**kwargs, "past_key_values": copy.deepcopy(kept), "attention_mask": None})
        output.past_key_values = kept
        return output

    around(model, change)


@fault("llama", "mixtral")
def cache_one_token_short(model: Any) -> None:
    """The first token of the prompt is dropped when the first new one comes."""

    def drop(cache: Any) -> None:
        if hasattr(cache, "layers"):
            for layer in cache.layers:
                layer.keys, layer.values = layer.keys[:, :, 1:], layer.values[:, :, 1:]
        elif hasattr(cache, "key_cache"):
            for kept in (cache.key_cache, cache.value_cache):
                kept[:] = [values[:, :, 1:] for values in kept]
        else:
            raise Absent("a cache of tuples cannot be cut")

    _unmasked(model, drop)


@fault("llama", "mixtral")
def cache_one_token_long(model: Any) -> None:
    """The last token of the prompt is kept twice."""

    def again(values: torch.Tensor) -> torch.Tensor:
        return torch.cat([values, values[:, :, -1:]], dim=2)

    def repeat(cache: Any) -> None:
        if hasattr(cache, "layers"):
            for layer in cache.layers:
                layer.keys, layer.values = again(layer.keys), again(layer.values)
        elif hasattr(cache, "key_cache"):
            for kept in (cache.key_cache, cache.value_cache):
                kept[:] = [again(values) for values in kept]
        else:
            raise Absent("a cache of tuples cannot be stretched")

    _unmasked(model, repeat)


def _unmasked(model: Any, change: Callable[[Any], None]) -> None:
    """A mask would not fit the cache's new length."""
    bend_cache(model, change)
    around(
        model, lambda forward, kwargs: forward(**{**kwargs, **({"attention_mask": None} if decoding(kwargs) else {})})
    )


@fault("llama", "gemma3-text", "mixtral")
def new_positions_off_by_one(model: Any) -> None:
    _shift(model, lambda at, _mask: at + 1)


@fault("llama", "gemma3-text", "mixtral")
def new_positions_count_the_padding(model: Any) -> None:
    _shift(model, lambda at, mask: at * 0 + mask.shape[1] - 1)


def _shift(model: Any, change: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> None:
    def step(forward: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
        if decoding(kwargs):
            if kwargs.get("position_ids") is None or kwargs.get("attention_mask") is None:
                raise Absent("positions are not given from outside")
            kwargs = {**kwargs, "position_ids": change(kwargs["position_ids"], kwargs["attention_mask"])}
        return forward(**kwargs)

    around(model, step)


@fault("llama", "gemma3-text")
def new_tokens_read_as_their_predecessors(model: Any) -> None:
    before: list[torch.Tensor] = []

    def step(forward: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
        ids = kwargs["input_ids"]
        if decoding(kwargs) and before:
            kwargs = {**kwargs, "input_ids": before[-1]}
        before.append(ids[:, -1:])
        return forward(**kwargs)

    around(model, step)


@fault("llama", "gemma3-text")
def second_best_token_written(model: Any) -> None:
    """The scores are right, the choice is not."""
    generate = model.generate

    def second(*args: Any, **kwargs: Any) -> Any:
        written = generate(*args, **kwargs)
        written.sequences[:, -1] = written.scores[-1].topk(2).indices[:, 1]
        return written

    model.generate = second


@fault("llama")
def scores_sharpened(model: Any) -> None:
    """A temperature that was not asked for: the tokens stay the same."""
    generate = model.generate

    def sharper(*args: Any, **kwargs: Any) -> Any:
        written = generate(*args, **kwargs)
        written.scores = tuple(score / 0.9 for score in written.scores)
        return written

    model.generate = sharper


@fault("llama", "gemma3-text")
def stopped_early(model: Any) -> None:
    """The end token is not the configuration's: whatever is written first."""
    ids = torch.tensor([[1, 17, 93, 4, 58, 99, 31, 76, 9, 66]])
    with torch.no_grad():
        model.generation_config.eos_token_id = int(model(input_ids=ids).logits[0, -1].argmax())
