"""MiniGemini (MGM, 2403.18814; JIA-Lab-research/MGM#34): a package built on transformers' own models.

It is not part of transformers. What is loaded here is a small package of our own with the same joints,
written as such packages were in early 2024; see ``_package.py``.
"""

#: Imported once, before any cell is started; see docs/scenarios.md.
WARM = (
    "scenarios.mini_gemini._measure",
    "transformers.models.llama.modeling_llama",
    "transformers.models.gemma.modeling_gemma",
    "transformers.models.mixtral.modeling_mixtral",
)
