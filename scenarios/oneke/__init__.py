"""OneKE: a Llama 2 checkpoint in float16, dispatched by hand as its script does (zjunlp/DeepKE#634)."""

#: Imported once, before any cell is started; see docs/scenarios.md.
WARM = ("scenarios.oneke._script", "scenarios.common.placed", "transformers.models.llama.modeling_llama")
