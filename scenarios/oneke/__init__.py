"""OneKE: a Llama 2 checkpoint in float16, dispatched by hand as its script does (zjunlp/DeepKE#634)."""
