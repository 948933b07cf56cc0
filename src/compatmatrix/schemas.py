"""The published JSON Schemas, generated from the models; a test keeps the files in the repository equal."""

from __future__ import annotations

import json

from pydantic import BaseModel

from compatmatrix.atlas import Atlas
from compatmatrix.history import Snapshot
from compatmatrix.ledger import Ledger
from compatmatrix.matrix import Matrix
from compatmatrix.results import Run

MODELS: dict[str, tuple[type[BaseModel], str]] = {
    "matrix": (Matrix, "matrix.yaml of compatmatrix"),
    "ledger": (Ledger, "the ledger of known issues of compatmatrix"),
    "history": (Snapshot, "runs/<run id>.json of compatmatrix, schema 1"),
    "run": (Run, "latest.json of compatmatrix, schema 1"),
    "atlas": (Atlas, "atlas.json of compatmatrix, schema 1"),
}


def text(name: str) -> str:
    """The schema of that name, one of :data:`MODELS`, as JSON with a newline at its end."""
    model, title = MODELS[name]
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **model.model_json_schema(),
        "title": title,
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
