"""`python make_checkpoints.py ROOT DIRECTORY` writes checkpoints, in a column's environment, which has torch.

ROOT is the checkout, whose scenarios make them.
"""

import json
import math
import sys
from pathlib import Path

OWN_CODE = """
from pathlib import Path
import torch
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput

Path(r"{planted}").write_text("the code ran", encoding="utf-8")


class OwnConfig(PretrainedConfig):
    model_type = "own-thing"

    def __init__(self, vocab_size=40, hidden_size=8, **more):
        self.vocab_size, self.hidden_size = vocab_size, hidden_size
        super().__init__(**more)


class OwnModel(PreTrainedModel):
    config_class = OwnConfig

    def __init__(self, config):
        super().__init__(config)
        self.embed = torch.nn.Embedding(config.vocab_size, config.hidden_size)
        self.out = torch.nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def _init_weights(self, module):
        pass

    def get_input_embeddings(self):
        return self.embed

    def forward(self, input_ids, attention_mask=None, **_):
        return CausalLMOutput(logits=self.out(self.embed(input_ids)))
"""


def tokenizer(directory: Path, words: int) -> None:
    """A tokenizer of so many words, most of which no text has."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace

    known = {"[UNK]": 0, "The": words - 1, **{f"word{number}": number for number in range(1, words - 1)}}
    made = Tokenizer(WordLevel(known, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    made.save(str(directory / "tokenizer.json"))
    told = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "[UNK]"}
    (directory / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")


def main(root: str, directory: str) -> None:
    """Write them."""
    sys.path[:0] = [root, str(Path(root) / "src")]
    import torch
    from safetensors.torch import load_file, save_file

    from scenarios.common import models
    from scenarios.common.checkpoint import seeded

    out = Path(directory)
    models.llama(out / "模型 with spaces", tied=True, dtype="bfloat16", shards=3)
    tokenizer(models.llama(out / "pickled", format="bin", shards=2).path, 112)
    made = models.llama(out / "nan")
    tokenizer(made.path, 113)  # one more than the model has rows
    tensors = load_file(str(made.path / "model.safetensors"))
    tensors["model.norm.weight"][:2] = math.nan
    save_file(tensors, str(made.path / "model.safetensors"), metadata={"format": "pt"})
    own = out / "own code"
    own.mkdir()
    config = {
        "architectures": ["OwnModel"],
        "auto_map": {"AutoConfig": "modeling_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnModel"},
        "hidden_size": 8,
        "model_type": "own-thing",
        "torch_dtype": "float32",
        "vocab_size": 40,
    }
    (own / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (own / "modeling_own.py").write_text(OWN_CODE.replace("{planted}", str(out / "planted")), encoding="utf-8")
    weights = {"embed.weight": seeded("embed", (40, 8)), "out.weight": seeded("out", (40, 8))}
    copies = {name: torch.clone(one) for name, one in weights.items()}
    save_file(copies, str(own / "model.safetensors"), metadata={"format": "pt"})


if __name__ == "__main__":
    main(*sys.argv[1:])
