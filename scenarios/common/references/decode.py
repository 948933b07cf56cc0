"""The reference decoder: greedy, no cache, everything computed again at each step."""

import math
from typing import Callable, NamedTuple, Optional, Sequence

import torch
from torch import Tensor

from scenarios.common.references.layers import positions


class Greedy(NamedTuple):
    """What the decoder wrote.

    Attributes:
        ids: prompt and new tokens (batch, length), as ``generate`` returns them.
        margin: the smallest distance between the best and the second best logit at any step of a row
            that had not ended. Where it is below the error of the logits, another token may be as right.
    """

    ids: Tensor
    margin: float


def greedy(
    logits_function: Callable[..., Tensor],
    input_ids: Tensor,
    new_tokens: int,
    *,
    attention_mask: Optional[Tensor] = None,
    eos_token_ids: Sequence[int] = (),
    pad_token_id: int = 0,
) -> Greedy:
    """Append the best token, ``new_tokens`` times.

    Args:
        logits_function: called with token ids (batch, length), and where a mask is given also with
            ``attention_mask`` and ``position_ids``; returns logits (batch, length, vocabulary). A
            reference with its first two arguments bound: ``partial(llama.logits, config, tensors)``.
        input_ids: the prompts (batch, length), padded on the left.
        new_tokens: how many to write at most.
        attention_mask: (batch, length), 0 on padding.
        eos_token_ids: a row ends after one of these; all end early where every row has.
        pad_token_id: what an ended row is filled with.

    Raises:
        ValueError: a prompt is padded on the right, so that there is no token to go on from.
    """
    if attention_mask is not None and not bool(attention_mask[:, -1].all()):
        raise ValueError("prompts to go on from are padded on the left")
    ids, mask = input_ids, attention_mask
    ended = torch.zeros(len(ids), dtype=torch.bool)
    margin = math.inf
    for _ in range(new_tokens):
        given = {} if mask is None else {"attention_mask": mask, "position_ids": positions(mask)}
        best = logits_function(ids, **given)[:, -1].topk(2, dim=-1)
        gaps = best.values[:, 0] - best.values[:, 1]
        margin = min(margin, float(gaps[~ended].min()))
        token = torch.where(ended, torch.full_like(best.indices[:, 0], pad_token_id), best.indices[:, 0])
        ids = torch.cat([ids, token[:, None].to(ids.dtype)], dim=1)
        mask = None if mask is None else torch.cat([mask, torch.ones_like(mask[:, :1])], dim=1)
        ended = ended | torch.tensor([int(one) in eos_token_ids for one in token])
        if bool(ended.all()):
            break
    return Greedy(ids, margin)
