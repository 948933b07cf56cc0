"""Gemma 3: text only, with pictures, and the report transformers#36766 with its cure."""

#: Imported once, before any cell is started; see docs/scenarios.md.
WARM = ("scenarios.gemma3._cells", "scenarios.gemma3._on_cards", "transformers.models.gemma3.modeling_gemma3")
