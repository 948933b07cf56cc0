"""Faults of a mixture of experts."""

from collections.abc import Callable
from typing import Any

import torch

from tests.oracle.anatomy import around, fault, layers, mixture


@fault("mixtral")
def one_expert_of_two(model: Any) -> None:
    for layer in layers(model):
        for module in mixture(layer).modules():
            if hasattr(module, "top_k"):
                module.top_k = 1


@fault("mixtral")
def three_experts_of_two(model: Any) -> None:
    for layer in layers(model):
        for module in mixture(layer).modules():
            if hasattr(module, "top_k"):
                module.top_k = 3


@fault("mixtral")
def router_shares_not_renormalised(model: Any) -> None:
    """The two best shares of a softmax over all experts do not add up to one."""
    for layer in layers(model):
        block = mixture(layer)

        def change(forward: Callable[..., Any], kwargs: dict[str, Any], block: Any = block) -> Any:
            states = next(iter(kwargs.values()))
            kept = torch.softmax(states @ block.gate.weight.t(), dim=-1).topk(2, dim=-1).values.sum(-1, keepdim=True)
            output = forward(**kwargs)
            return (output[0] * kept, *output[1:]) if isinstance(output, tuple) else output * kept

        around(block, change)


@fault("mixtral")
def router_reversed(model: Any) -> None:
    """Each token goes to another expert than its own."""
    gate = mixture(layers(model)[1]).gate

    def hook(_module: Any, _args: Any, output: Any) -> Any:
        return (*output[:-1], 3 - output[-1]) if isinstance(output, tuple) else output.flip(-1)

    gate.register_forward_hook(hook)
