"""Llama: the ways in which ``from_pretrained`` is asked to load it (transformers#36579 and around it)."""
