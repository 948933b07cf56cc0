"""Llama: the ways in which ``from_pretrained`` is asked to load it (transformers#36579 and around it)."""

#: Imported once, before any cell is started; see docs/scenarios.md.
WARM = ("scenarios.llama._try", "scenarios.common.placed", "transformers.models.llama.modeling_llama")
