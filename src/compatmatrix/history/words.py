"""One cell of a snapshot as a word: what is kept of a result, and its spelling. Pure."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass

from compatmatrix.results import CellResult, News, Outcome
from compatmatrix.text import one_line

CAUSE = 200
"""Characters kept of a cause."""

_OUTCOMES = {outcome.value[0]: outcome for outcome in Outcome}  # the first letters are different
_NEWS = {news.value[0].upper(): news for news in News if news is not News.NONE}
_WORD = re.compile(r"(?P<outcome>[a-z])(?P<news>[A-Z]?)(?P<digest>(?:[a-z2-7]{5})?)(?:/(?P<cause>\d+))?(?P<flaky>~?)")


@dataclass(frozen=True)
class Seen:
    """What one cell did in one run. ``cause`` is empty for a pass, ``digest`` where nothing was recorded."""

    outcome: Outcome
    news: News = News.NONE
    cause: str = ""
    digest: str = ""
    flaky: bool = False

    @property
    def did(self) -> tuple[Outcome, str, str]:
        """What a change is judged by: news and attempts are not the cell's doing."""
        return self.outcome, self.cause, self.digest


def cause(row: CellResult) -> str:
    """Why a cell did not pass, on one line; empty for a pass."""
    return "" if row.outcome is Outcome.PASS else one_line(row.signature or row.reason, CAUSE)


def seen(row: CellResult, news: News = News.NONE) -> Seen:
    """What is kept of one result."""
    return Seen(
        outcome=row.outcome,
        news=news,
        cause=cause(row),
        digest=_digest(row) if row.fingerprint or row.warnings else "",
        flaky=row.flaky,
    )


def _digest(row: CellResult) -> str:
    """25 bits: two behaviours of one cell are taken for the same once in thirty million times."""
    return base64.b32encode(bytes.fromhex(row.fingerprint_digest))[:5].decode().lower()


def spell(seen: Seen, causes: dict[str, int]) -> str:
    """A cell as a word; a cause that is not in ``causes`` yet gets the next number."""
    letter = seen.news.value[0].upper() if seen.news is not News.NONE else ""
    cause = f"/{causes.setdefault(seen.cause, len(causes))}" if seen.cause else ""
    return seen.outcome.value[0] + letter + seen.digest + cause + ("~" if seen.flaky else "")


def join(words: list[str]) -> str:
    """The words of a row, with repetitions as ``=``."""
    return " ".join("=" if index and word == words[index - 1] else word for index, word in enumerate(words))


def row(text: str, causes: tuple[str, ...], columns: int, known: dict[str, Seen | None]) -> tuple[Seen | None, ...]:
    """The cells of a row; ``known`` keeps what was read before. Raises ``ValueError`` for words that mean nothing."""
    found: list[Seen | None] = []
    for word in text.split():
        if word == "=" and found:
            found.append(found[-1])
            continue
        if word not in known:
            known[word] = _seen(word, causes)
        found.append(known[word])
    if len(found) != columns:
        raise ValueError(f"{len(found)} words for {columns} columns: {one_line(text, 80)!r}")
    return tuple(found)


def _seen(word: str, causes: tuple[str, ...]) -> Seen:
    found = _WORD.fullmatch(word)
    outcome = _OUTCOMES.get(found["outcome"]) if found else None
    if found is None or outcome is None or found["news"] not in ("", *_NEWS):
        raise ValueError(f"not a word of a snapshot: {one_line(word, 40)!r}")
    if found["cause"] and int(found["cause"]) >= len(causes):
        raise ValueError(f"there is no cause {found['cause']}: {one_line(word, 40)!r}")
    return Seen(
        outcome=outcome,
        news=_NEWS[found["news"]] if found["news"] else News.NONE,
        cause=causes[int(found["cause"])] if found["cause"] else "",
        digest=found["digest"],
        flaky=bool(found["flaky"]),
    )
