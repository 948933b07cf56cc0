"""``forward`` of the package as it was written, and in two ways that keep up with new keywords.

The signatures are written out: versions of transformers look at them to decide what they pass.
"""

import inspect
from typing import Any, Callable, Dict, List, Optional

from torch import Tensor


def _of_its_day(parent: Any) -> Callable[..., Any]:
    def forward(
        self: Any,
        input_ids: Optional[Tensor] = None,
        attention_mask: Optional[Tensor] = None,
        position_ids: Optional[Tensor] = None,
        past_key_values: Optional[List[Tensor]] = None,
        inputs_embeds: Optional[Tensor] = None,
        labels: Optional[Tensor] = None,
        use_cache: Optional[bool] = None,
        output_attentions: Optional[bool] = None,
        output_hidden_states: Optional[bool] = None,
        images: Optional[Tensor] = None,
        images_aux: Optional[Tensor] = None,
        return_dict: Optional[bool] = None,
    ) -> Any:
        if inputs_embeds is None:
            input_ids, attention_mask, inputs_embeds = self.splice(input_ids, attention_mask, images, images_aux)
        return parent.forward(
            self,
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            labels=labels,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=return_dict,
        )

    return forward


def _of_its_day_gemma(parent: Any) -> Callable[..., Any]:
    """Gemma came last, with 4.38: its list of that day has ``cache_position``, and it is handed on."""

    def forward(
        self: Any,
        input_ids: Optional[Tensor] = None,
        attention_mask: Optional[Tensor] = None,
        position_ids: Optional[Tensor] = None,
        past_key_values: Optional[List[Tensor]] = None,
        inputs_embeds: Optional[Tensor] = None,
        labels: Optional[Tensor] = None,
        use_cache: Optional[bool] = None,
        cache_position: Optional[Tensor] = None,
        output_attentions: Optional[bool] = None,
        output_hidden_states: Optional[bool] = None,
        images: Optional[Tensor] = None,
        images_aux: Optional[Tensor] = None,
        return_dict: Optional[bool] = None,
    ) -> Any:
        if inputs_embeds is None:
            input_ids, attention_mask, inputs_embeds = self.splice(input_ids, attention_mask, images, images_aux)
        return parent.forward(
            self,
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            labels=labels,
            use_cache=use_cache,
            cache_position=cache_position,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=return_dict,
        )

    return forward


def _kwargs(parent: Any) -> Callable[..., Any]:
    """A maintainer's first cure: accept what later versions pass, and do nothing with it."""
    own = _of_its_day(parent)

    def forward(
        self: Any,
        input_ids: Optional[Tensor] = None,
        attention_mask: Optional[Tensor] = None,
        position_ids: Optional[Tensor] = None,
        past_key_values: Optional[List[Tensor]] = None,
        inputs_embeds: Optional[Tensor] = None,
        labels: Optional[Tensor] = None,
        use_cache: Optional[bool] = None,
        output_attentions: Optional[bool] = None,
        output_hidden_states: Optional[bool] = None,
        images: Optional[Tensor] = None,
        images_aux: Optional[Tensor] = None,
        return_dict: Optional[bool] = None,
        **kwargs: Any,  # noqa: ARG001 - accepted, that is all
    ) -> Any:
        return own(
            self,
            input_ids,
            attention_mask,
            position_ids,
            past_key_values,
            inputs_embeds,
            labels,
            use_cache,
            output_attentions,
            output_hidden_states,
            images,
            images_aux,
            return_dict,
        )

    return forward


def _passed_on(parent: Any) -> Callable[..., Any]:
    """A maintainer's second cure: hand on whatever this version's parent takes."""
    taken = inspect.signature(parent.forward).parameters
    takes_all = any(one.kind is inspect.Parameter.VAR_KEYWORD for one in taken.values())

    def forward(
        self: Any,
        input_ids: Optional[Tensor] = None,
        attention_mask: Optional[Tensor] = None,
        inputs_embeds: Optional[Tensor] = None,
        images: Optional[Tensor] = None,
        images_aux: Optional[Tensor] = None,
        **kwargs: Any,
    ) -> Any:
        if inputs_embeds is None:
            input_ids, attention_mask, inputs_embeds = self.splice(input_ids, attention_mask, images, images_aux)
        return parent.forward(
            self,
            input_ids=input_ids,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            **{name: value for name, value in kwargs.items() if takes_all or name in taken},
        )

    return forward


#: Variant of the package -> what makes ``forward``, given the parent class.
FORWARDS: Dict[str, Callable[[Any], Callable[..., Any]]] = {
    "of-its-day": lambda parent: (_of_its_day_gemma if "Gemma" in parent.__name__ else _of_its_day)(parent),
    "kwargs": _kwargs,
    "passed-on": _passed_on,
    # The same; what else it takes is in _package.register.
    "ported": _passed_on,
}
