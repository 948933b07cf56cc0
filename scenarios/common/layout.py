"""The modules of a decoder that a device map places, in the order in which they run."""

import re
from typing import TYPE_CHECKING, Dict, List, Mapping, Optional, Tuple

if TYPE_CHECKING:
    import torch

_LAYER = re.compile(r"(?:^|\.)layers\.(\d+)\.")


def modules(tensors: "Mapping[str, torch.Tensor]", *, head: bool = True) -> Dict[str, int]:
    """The placeable modules of a decoder in execution order, and the number of values in each.

    Args:
        tensors: a decoder's checkpoint, keys ``model.embed_tokens.*``, ``model.layers.<n>.*``, ``model.norm.*``.
        head: true where the class has an output head (names start with ``model.``); false for ``AutoModel``,
            whose names lack the prefix. A head that the file lacks is tied and weighs nothing more.
    """
    sizes: Dict[str, int] = {}
    for key, tensor in tensors.items():
        layer = _LAYER.search(key)
        name = key[: layer.end() - 1] if layer else key.rsplit(".", 1)[0]
        sizes[name] = sizes.get(name, 0) + tensor.numel()
    if head:
        sizes.setdefault("lm_head", 0)
    else:
        sizes = {name.split("model.", 1)[-1]: size for name, size in sizes.items() if name != "lm_head"}
    return dict(sorted(sizes.items(), key=lambda item: _position(item[0])))


def layers(sizes: Mapping[str, int]) -> List[str]:
    """The decoder layers among the modules, in order."""
    return [module for module in sizes if _position(module)[0] == 1]


def embeddings(sizes: Mapping[str, int]) -> List[str]:
    """What comes before the layers."""
    return [module for module in sizes if _position(module)[0] == 0]


def layer_of(name: str) -> Optional[int]:
    """The number of the decoder layer that a tensor belongs to; None outside of them, and in a vision tower."""
    found = _LAYER.search(name)
    return int(found.group(1)) if found and "vision" not in name else None


def is_head(module: str) -> bool:
    """Whether a module is the output head."""
    return module.endswith("lm_head")


def _position(name: str) -> Tuple[int, int]:
    if name.endswith("embed_tokens"):
        return 0, 0
    layer = _LAYER.search(name + ".")
    if layer:
        return 1, int(layer.group(1))
    return (3 if is_head(name) else 2), 0
