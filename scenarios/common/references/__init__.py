"""Forward passes in float64, in plain torch, from the papers and model cards: what is right.

No transformers here. Each module has ``logits`` and ``hidden``; they take a checkpoint's config and
tensors in the published key layout, and recompute everything at each call.
"""
