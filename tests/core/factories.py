"""Small makers of results, columns and scenarios for the tests of the pure core."""

from typing import Any

from compatmatrix.results import CellResult, Column, Outcome, Scenario, Variant


def result(cell: str = "llama/plain", version: str = "1.0", outcome: Outcome = Outcome.PASS, **more: Any) -> CellResult:
    return CellResult(cell=cell, version=version, outcome=outcome, **more)


def column(version: str = "1.0", transformers: str = "1.0", **more: Any) -> Column:
    return Column(version=version, transformers=transformers, **{"lock_hash": "l" + version, **more})


def scenario(id: str = "llama/plain", *labels: str, **more: Any) -> Scenario:
    variants = tuple(Variant(label=label) for label in labels or ("",))
    return Scenario(id=id, title=id, family=id.split("/", maxsplit=1)[0], variants=variants, **more)
