# mypy: allow-subclassing-any
"""A downstream package with the joints of MiniGemini, as of early 2024; none of its code is used.

What such packages have in common, and what later versions of transformers meet:

- a ``model_type`` and classes of their own, registered with the auto classes;
- a constructor that steps over its parent's, and makes model and head by itself;
- a ``forward`` with a closed list of keywords: the parent's of that day, and the pictures (``_forwards.py``);
- a ``generate`` that turns the prompt into ``inputs_embeds``, and hands the rest on;
- a ``prepare_inputs_for_generation`` that hands on what the parent's made;
- vision towers and mining modules that are made after ``from_pretrained`` (``_vision.py``).
"""

from pathlib import Path
from typing import Any, Callable, Optional, Tuple

import torch
from torch import Tensor, nn

from compatprobe import Cell
from scenarios.mini_gemini._forwards import FORWARDS
from scenarios.mini_gemini._vision import MultimodalMixin, VisionParts

#: The model type of a checkpoint -> what the names of the family's classes in transformers begin with.
FAMILIES = {"mini_gemini": "Llama", "mini_gemini_gemma": "Gemma", "mini_gemini_mixtral": "Mixtral"}


def _bare(parent_config: Any, parent_model: Any, own_type: str) -> Tuple[Any, Any]:
    """The package's config and bare model."""

    class MiniGeminiConfig(parent_config):
        model_type = own_type

    class MiniGeminiModel(VisionParts, parent_model):
        config_class = MiniGeminiConfig

    return MiniGeminiConfig, MiniGeminiModel


def _causal_lm(name: str, parent: Any, bare: Any, own_config: Any, own_forward: Callable[..., Any]) -> Any:
    # Messages name the class and its method, as a package's would.
    own_forward.__qualname__ = f"{name}.forward"

    class MiniGeminiForCausalLM(parent, MultimodalMixin):
        config_class = own_config
        forward = own_forward

        def __init__(self, config: Any) -> None:
            # Past the parent's own constructor: it would make the bare model without the vision parts.
            super(parent, self).__init__(config)
            self.model = bare(config)
            self.vocab_size = config.vocab_size
            self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
            self.post_init()

        def generate(
            self,
            inputs: Optional[Tensor] = None,
            images: Optional[Tensor] = None,
            images_aux: Optional[Tensor] = None,
            **kwargs: Any,
        ) -> Any:
            if "inputs_embeds" in kwargs:
                raise NotImplementedError("`inputs_embeds` is not supported")
            attention_mask = kwargs.pop("attention_mask", None)
            with torch.no_grad():
                _, attention_mask, inputs_embeds = self.splice(inputs, attention_mask, images, images_aux)
                if inputs_embeds is None:
                    inputs_embeds = self.get_model().embed_tokens(inputs)
            return super().generate(
                position_ids=kwargs.pop("position_ids", None),
                attention_mask=attention_mask,
                inputs_embeds=inputs_embeds,
                **kwargs,
            )

        def prepare_inputs_for_generation(
            self, input_ids: Tensor, past_key_values: Any = None, inputs_embeds: Optional[Tensor] = None, **kwargs: Any
        ) -> Any:
            pictures = {name: kwargs.pop(name, None) for name in ("images", "images_aux")}
            prepared = super().prepare_inputs_for_generation(
                input_ids, past_key_values=past_key_values, inputs_embeds=inputs_embeds, **kwargs
            )
            prepared.update({name: value for name, value in pictures.items() if value is not None})
            return prepared

    MiniGeminiForCausalLM.__name__ = MiniGeminiForCausalLM.__qualname__ = name
    return MiniGeminiForCausalLM


def register(cell: Cell, model_type: str, variant: str) -> None:
    """Make the package's classes for one family, and register them with the auto classes.

    Raises:
        Unsupported: this version of transformers lacks the family.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    family = FAMILIES[model_type]
    config, bare = _bare(cell.api(f"{family}Config"), cell.api(f"{family}Model"), model_type)
    parent = cell.api(f"{family}ForCausalLM")
    made = _causal_lm(f"MiniGemini{family}ForCausalLM", parent, bare, config, FORWARDS[variant](parent))
    AutoConfig.register(model_type, config)
    AutoModelForCausalLM.register(config, made)
    if variant == "ported":
        made.scales_pictures = True
        _convert_keys(model_type, family.lower())


def _convert_keys(own: str, parent: str) -> None:
    """Where a version converts the parent's published keys by model type, ask for the same.

    Transformers 5 fuses Mixtral's experts; without this the experts of another model type are left
    random, and only a report that is printed says so.
    """
    try:
        from transformers.conversion_mapping import (
            get_checkpoint_conversion_mapping,
            register_checkpoint_conversion_mapping,
        )
    except ImportError:
        return
    mapping = get_checkpoint_conversion_mapping(parent)
    if mapping is not None:
        register_checkpoint_conversion_mapping(own, mapping, overwrite=True)


def load_pretrained(
    directory: Path,
    *,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    beside: str = "projector",
    dispatched: Optional[Callable[[Any], None]] = None,
    **options: Any,
) -> Any:
    """What such a package's ``builder`` does: the language model first, then the vision parts.

    Args:
        directory: of the checkpoint.
        device: where the towers go.
        dtype: of everything.
        beside: where the mining modules go, see ``VisionParts.load_vision``.
        dispatched: called with the language model, before the vision parts come.
        options: further arguments of ``from_pretrained``.
    """
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(str(directory), low_cpu_mem_usage=True, torch_dtype=dtype, **options)
    if dispatched is not None:
        dispatched(model)
    model.get_model().load_vision(directory, device, dtype, beside)
    return model.eval()
