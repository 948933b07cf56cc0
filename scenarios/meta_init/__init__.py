"""Models built without memory and filled afterwards (transformers#36577, #34234)."""
