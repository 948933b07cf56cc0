"""Where bad input comes in, each as a function of bytes. What it raises is a defect: a clear error is swallowed here.

The good input that each begins with is in :data:`SEEDS`.
"""

from __future__ import annotations

import datetime
import json
import sqlite3
import unicodedata
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from compatmatrix import archive, compare, loading, merge, pins
from compatmatrix.claims import Claims
from compatmatrix.classify import classify
from compatmatrix.errors import CompatmatrixError
from compatmatrix.execute.records import read_record
from compatmatrix.history import snapshot
from compatmatrix.ledger import Ledger
from compatmatrix.matrix import Matrix
from compatmatrix.plan import definition
from compatmatrix.records import Ended
from compatmatrix.report import claims_page, context, diff, diff_text, junit, markdown, render, sides
from compatmatrix.results import CellResult, Column, Run
from compatmatrix.store import SCHEMA, VERSION, Store
from compatmatrix.text import clean
from tests.report import factory

ROOT = Path(__file__).parents[2]
NOW = datetime.datetime(2026, 11, 27, tzinfo=datetime.timezone.utc)
CELL = "llama/auto-model[tied,disk]"
Target = Callable[[bytes, Path], None]


def _load(data: bytes, folder: Path, model: type[BaseModel]) -> Any:
    """The model, or nothing where there is a clear error: with a message, and a line where it is about the text."""
    file = folder / "input.yaml"
    file.write_bytes(data)
    try:
        return loading.load_yaml(file, model)
    except CompatmatrixError as error:
        assert len(str(error)) > len(str(file)), "a message that says nothing"
        return None


def matrix(data: bytes, folder: Path) -> None:
    """matrix.yaml: read, and each version's definition and companions told."""
    found = _load(data, folder, Matrix)
    if found is not None:
        for version in found.versions:
            definition(found, version)
            for companion in found.companions:
                companion.applies("4.46.3")
                companion.applies(None)


def ledger(data: bytes, folder: Path) -> None:
    """The ledger: read, and asked about every cell of a run."""
    found = _load(data, folder, Ledger)
    if found is not None:
        compare.news(RUN, None, found)
        found.unmatched(RUN.results, RUN.columns)


def claims(data: bytes, folder: Path) -> None:
    """The claims: read, and judged by a run."""
    found = _load(data, folder, Claims)
    if found is not None:
        claims_page.page(found, RUN)


def record(data: bytes, folder: Path) -> None:
    """A cell's record: judged, kept and read again."""
    file = folder / "record.json"
    file.write_bytes(data)
    found, problem = read_record(file, CELL)
    assert (found is None) is bool(problem)
    result = classify(CELL, "1.0", Ended(how="exited", record=found, record_error=problem))
    kept = result.model_dump_json()
    assert CellResult.model_validate_json(kept).model_dump_json() == kept
    assert found is not None or result.outcome.red


def run(data: bytes, folder: Path) -> None:
    """A published run: all that is made from one."""
    file = folder / "latest.json"
    file.write_bytes(data)
    try:
        found = archive.read_run(file)
    except CompatmatrixError:
        return
    assert found is not None
    assert Run.from_json(found.to_json()).to_json() == found.to_json()
    compare.news(RUN, found, LEDGER, archive.read(folder)[0].and_also(snapshot(found)))
    judged = compare.news(found, RUN, LEDGER)
    LEDGER.unmatched(found.results, found.columns)
    render.files(judged, before=RUN)
    markdown.summary(context.build(found))
    junit.text(found)
    claims_page.page(CLAIMS, found)
    for some in (diff.runs(sides.whole(RUN), sides.whole(found)), diff.runs(sides.whole(found), sides.whole(RUN))):
        diff_text.text(some)
        diff_text.markdown(some)
        json.dumps(diff_text.data(some))
    try:
        pins.files.of(pins.advise(found, pins.needs(found, ["*"]), oldest=NOW))
    except CompatmatrixError:
        return


def history(data: bytes, folder: Path) -> None:
    """A file of the history: read, and a run judged and compared by it."""
    (folder / archive.FOLDER).mkdir(exist_ok=True)
    try:
        name = str(json.loads(data)["id"])
    except (ValueError, TypeError, KeyError, RecursionError):
        name = "x"
    name = name if name.replace("-", "").isalnum() and name.isascii() and len(name) < 100 else "x"
    file = folder / archive.FOLDER / f"{name}.json"
    file.write_bytes(data)
    try:
        found, trouble = archive.read(folder)
    finally:
        file.unlink()
    assert bool(found.snapshots) is not bool(trouble)
    compare.news(RUN, None, LEDGER, found)
    context.build(RUN, history=found.and_also(snapshot(RUN)))
    for each in found.snapshots:
        diff_text.text(diff.runs(sides.short(each), sides.whole(RUN)))


def store(data: bytes, folder: Path) -> None:
    """A store, as bytes: one of its own is used or refused; one from elsewhere merged or refused, and never half."""
    _merge(lambda path: path.write_bytes(data), folder)
    own = folder / "foreign.sqlite"
    own.write_bytes(data)
    try:
        with Store(own) as mine:
            mine.get([_KEY])
            mine.known([_KEY])
            mine.columns()
            mine.put(RUN.results[1].model_copy(update={"key": "other"}))
            assert mine.get(["other"])
    except CompatmatrixError as error:
        assert "next: " in str(error)


def row(data: bytes, folder: Path) -> None:
    """A store from elsewhere with any text in one of its rows, a result or a column."""

    def write(path: Path) -> None:
        with closing(sqlite3.connect(path)) as db:
            db.executescript(SCHEMA)
            db.execute(f"PRAGMA user_version={VERSION}")
            told = data.decode("utf-8", "replace")
            try:
                key = str(json.loads(data).get("key"))
            except (ValueError, AttributeError, RecursionError):
                key = "k"
            key = key.encode("utf-8", "replace").decode()
            db.execute("INSERT INTO results VALUES (?, '4.46.3', 'c', 'pass', '', ?)", (key, told))
            db.execute("INSERT INTO columns VALUES ('4.46.3', '', ?)", (COLUMN if data[:1] == b"{" else told,))
            db.commit()

    _merge(write, folder)


def _merge(write: Callable[[Path], object], folder: Path) -> None:
    foreign, own = folder / "foreign.sqlite", folder / "own.sqlite"
    for path in (*folder.glob("foreign.sqlite*"), *folder.glob("own.sqlite*")):
        path.unlink()
    write(foreign)
    with Store(own) as mine:
        try:
            merge.merge([foreign], mine, {}, lambda _: None, now=NOW)
        except CompatmatrixError:
            assert not mine.columns()
            assert not mine.known([_KEY])


def cleaned(data: bytes, folder: Path) -> None:
    """Any text: clean once is clean for good, and harmless."""
    text = data.decode("utf-8", "surrogatepass" if data[:1] > b"\x7f" else "replace") if _is_text(data) else str(data)
    once = clean(text)
    # Known: of `/home//home//home/you` each cleaning takes one home away.
    assert "//" in text or clean(once) == once
    harmful = [c for c in once if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"]
    assert not harmful, harmful


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True


def _record() -> bytes:
    exception = {
        "type": "builtins.ValueError",
        "message": "weight is on the meta device",
        "step": "load",
        "frames": [{"module": "transformers.modeling_utils", "function": "from_pretrained", "line": 4120}],
        "traceback": "Traceback …",
        "chain": [{"type": "builtins.KeyError", "message": "'weight'"}],
    }
    told = {
        **{"schema": 1, "cell": CELL, "status": "raised", "message": "weight is on the meta device", "answered": False},
        **{"exception": exception, "unsupported": None, "architectures": {"gemma3": False}, "seconds": 0.5},
        "checks": [{"name": "logits", "measured": "nan", "limit": 1e-5, "detail": "d"}],
        "fingerprint": {"model": {"devices": {"cpu": 21}, "dtypes": ["float32"]}},
        **{"warnings": ["a warning"], "steps": [{"name": "load", "seconds": 0.1}], "peak_memory": 432 << 20},
        "versions": {"python": "3.11.9", "torch": "2.13.0"},
    }
    return json.dumps(told).encode()


def _yaml(name: str, key: str, most: int) -> bytes:
    """The beginning of a file of this project: enough of each kind, and quickly read."""
    found = yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))
    return json.dumps({**found, key: found[key][:most]}, default=str).encode()


def _store() -> bytes:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCHEMA)
        db.execute(f"PRAGMA user_version={VERSION}")
        row = RUN.results[0]
        told = (_KEY, row.version, row.cell, row.outcome.value, "", ROW)
        db.execute("INSERT INTO results VALUES (?, ?, ?, ?, ?, ?)", told)
        db.execute("INSERT INTO columns VALUES ('4.46.3', '', ?)", (COLUMN,))
        db.commit()
        return bytes(db.serialize())


_KEY = "k"
RUN = factory.small_run()
COLUMN = Column.model_validate(factory.column("4.46.3", "4.46.3")).model_dump_json()
ROW = RUN.results[0].model_copy(update={"key": _KEY}).model_dump_json()
LEDGER = loading.load_ledger(ROOT / "scenarios" / "known_issues.yaml")
CLAIMS = loading.load_claims(ROOT / "scenarios" / "claims.yaml")
TARGETS: dict[str, Target] = {
    target.__name__: target for target in (matrix, ledger, claims, record, run, history, store, row, cleaned)
}
SEEDS: dict[str, bytes] = {
    "matrix": _yaml("matrix.yaml", "versions", 9),
    "ledger": _yaml("scenarios/known_issues.yaml", "issues", 4),
    "claims": _yaml("scenarios/claims.yaml", "cases", 2),
    "record": _record(),
    "run": RUN.to_json().encode(),
    "history": snapshot(RUN).to_json().encode(),
    "store": _store(),
    "row": ROW.encode(),
    "cleaned": "\x1b[31mFile /home/you/x/site-packages/torch/nn.py: hf_abcdefghijklmnopqrst é\u202e\r\n".encode(),
}
#: How each is written: as a tree with a grammar of its own, or as nothing but bytes.
WRITTEN = {
    **dict.fromkeys(("matrix", "ledger", "claims"), "yaml"),
    **dict.fromkeys(("record", "run", "history", "row"), "json"),
}
