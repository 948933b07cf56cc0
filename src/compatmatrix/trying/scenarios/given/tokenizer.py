"""The tokenizer."""

from compatprobe import Cell, scenario

from . import _asked

TEXTS = (
    "The quick brown fox jumps over the lazy dog.",
    "Ça va? Größe, naïve café — 3.14 €",
    "模型能不能加载?",
    "def f(x):\n    return x ** 2  # \t tab",
    "🙂👩‍💻 e\u0301",
    "",
)


@scenario(title="AutoTokenizer.from_pretrained(path)", timeout=_asked.TIMEOUT)
def tokenizer(cell: Cell) -> None:
    """It reads some texts, and the model has a row for each id; ids are a fact, which the host compares."""
    import hashlib
    import json

    from . import _load

    _load.known(cell)
    loader = cell.api("AutoTokenizer")
    cell.step("from_pretrained")
    read = _load.trusting(loader.from_pretrained)
    cell.step("encode")
    ids = [list(map(int, read(text)["input_ids"])) for text in TEXTS]
    cell.answered = True
    cell.fact("class", type(read).__name__)
    cell.fact("ids", {"digest": hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:16], "first": ids[0][:12]})
    again = [read.decode(one, skip_special_tokens=True) == text for one, text in zip(ids, TEXTS)]
    cell.fact("texts that come back as they were", f"{sum(again)} of {len(again)}")
    rows = (_asked.CONFIG.get("text_config") or _asked.CONFIG).get("vocab_size")
    largest = max((token for one in ids for token in one), default=0)
    if isinstance(rows, int):
        cell.check("ids without a row", max(largest - rows + 1, 0), 0, f"the largest id is {largest}, of {rows} rows")
    cell.check("texts without ids", sum(not one for one in ids[:-1]), 0)
    if getattr(read, "chat_template", None):
        cell.step("chat template")
        said = [{"role": "user", "content": "Hello"}]
        text = read.apply_chat_template(said, tokenize=False, add_generation_prompt=True)
        cell.fact("chat", hashlib.sha256(str(text).encode()).hexdigest()[:16])
