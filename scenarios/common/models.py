"""Small checkpoints of every family, each with the layout, the keys and the shape of the published one.

``config.json`` and ``generation_config.json`` are written as the releases of their day wrote them
(``torch_dtype``, ``rope_theta``, ``rope_scaling``). Only the sizes are small.
"""

from scenarios.common.models_gemma import gemma
from scenarios.common.models_gemma3 import gemma3_multimodal, gemma3_text
from scenarios.common.models_llama import llama, oneke
from scenarios.common.models_mixtral import mixtral

__all__ = ["gemma", "gemma3_multimodal", "gemma3_text", "llama", "mixtral", "oneke"]
