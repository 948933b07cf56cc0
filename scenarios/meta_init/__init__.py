"""Models built without memory and filled afterwards (transformers#36577, #34234)."""

#: Imported once, before any cell is started; see docs/scenarios.md.
WARM = ("scenarios.meta_init._meta", "scenarios.common.placed", "transformers.models.llama.modeling_llama")
