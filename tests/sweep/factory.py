"""A sheet with everything an atlas shows: yanked releases, holes, ranges of every kind, groups and confirmed flips."""

from __future__ import annotations

import random
from datetime import datetime, timezone

from compatmatrix.flips import Flip, Place, Seen, Sheet, flips
from compatmatrix.results import Column, EnvFailure, EnvReason, Outcome, Scenario, Variant

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=timezone.utc)
LETTERS = {
    "p": Outcome.PASS,
    "w": Outcome.WRONG,
    "f": Outcome.FAIL,
    "u": Outcome.UNSUPPORTED,
    "c": Outcome.CRASH,
    "e": Outcome.ENV_FAIL,
    "n": Outcome.NOT_RUN,
    "s": Outcome.SKIPPED,
}


def place(version: str, *, gone: bool = False, yanked: str | None = None) -> Place:
    failure = EnvFailure(reason=EnvReason.CONFLICT, message="tokenizers<1 and tokenizers>=2 have no solution")
    column = Column(version=version, failure=failure)
    if not gone:
        column = Column(
            version=version,
            transformers=version,
            python="3.11.9",
            torch="2.13.0+cpu",
            accelerate="1.15.0",
            lock_hash="ab" * 32,
            resolved_at=NOW,
        )
    uploaded = datetime(2024, 1, 1, tzinfo=timezone.utc)
    return Place(version=version, column=column, yanked=yanked, uploaded=uploaded)


def scenario(id: str, *labels: str) -> Scenario:
    variants = tuple(Variant(label=label) for label in labels or ("",))
    return Scenario(id=id, title=f"Title of {id}", family=id.partition("/")[0], variants=variants)


def row(cell: str, letters: str, told: str = "ValueError: weight is on meta") -> tuple[Seen, ...]:
    """One letter for each release; a capital behaves differently."""
    found = []
    for index, letter in enumerate(letters):
        outcome = LETTERS[letter.lower()]
        behaviour = letter if outcome.answered else ""
        words = "" if outcome is Outcome.PASS else told
        found.append(Seen(outcome, behaviour, words, key=f"{cell}@{index}", measured_at=NOW))
    return tuple(found)


def small() -> Sheet:
    places = (
        *(place(version) for version in ("4.36.0", "4.36.1", "4.37.0")),
        place("4.38.0", yanked="it loses <weights>"),
        place("4.38.1", gone=True),
        *(place(version) for version in ("4.39.0", "5.0.0")),
    )
    plain, tied, alone = scenario("llama/plain", "[a]", "[b]", "[c]"), scenario("llama/tied"), scenario("gemma3/text")
    cells = {
        "llama/plain[a]": row("llama/plain[a]", "ppwWepp"),
        "llama/plain[b]": row("llama/plain[b]", "ppwwepp"),
        "llama/plain[c]": row("llama/plain[c]", "ppppepP"),
        "llama/tied": row("llama/tied", "ssssess"),
        "gemma3/text": row("gemma3/text", "uuuuefp"),
    }
    return Sheet(specifier=">=4.36,<5.1", places=places, scenarios=(plain, tied, alone), cells=cells)


def small_flips() -> tuple[Flip, ...]:
    """Those of the small sheet: the first cell's are confirmed, but for one that is flaky."""
    repeats = {
        f"llama/plain[a]@{index}": [f"{row_.mark}"] * 3 for index, row_ in enumerate(small().cells["llama/plain[a]"])
    }
    repeats["llama/plain[a]@3"] = ["wrong:W", "wrong:w", "wrong:W"]
    return flips(small(), repeats)


def big(releases: int = 130, scenarios: int = 100, variants: int = 8) -> Sheet:
    """As large as the whole history of transformers, with changes at many boundaries."""
    random_ = random.Random(7)
    places = tuple(place(f"4.{30 + index // 4}.{index % 4}", gone=index % 40 == 39) for index in range(releases))
    made = [
        scenario(f"family{n % 6}/scenario-{n}", *(f"[variant-{v},float32]" for v in range(variants)))
        for n in range(scenarios)
    ]
    cells = {}
    for one in made:
        edges = sorted(random_.sample(range(releases), 6))
        for cell in one.cells:
            letters, letter = [], "p"
            for index in range(releases):
                if index in edges:
                    letter = random_.choice("ppwfuP")
                letters.append("e" if places[index].column.failure else letter)
            cells[cell] = row(cell, "".join(letters))
    return Sheet(specifier=">=4.30", places=places, scenarios=tuple(made), cells=cells)
