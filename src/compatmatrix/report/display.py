"""How things look as text: a glyph, a word and a CSS class for each outcome, and units for numbers. Pure.

Glyphs are plain text symbols that no platform turns into a coloured picture; each is read together
with its word, and colour comes last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from compatmatrix.results import News, Outcome
from compatmatrix.text import clean, one_line


@dataclass(frozen=True)
class Mark:
    """What stands for an outcome or a piece of news."""

    glyph: str
    word: str
    css: str


OUTCOMES = {
    Outcome.WRONG: Mark("≠", "wrong", "wrong"),
    Outcome.CRASH: Mark("†", "crash", "crash"),
    Outcome.OOM: Mark("≫", "oom", "oom"),
    Outcome.TIMEOUT: Mark("∞", "timeout", "timeout"),
    Outcome.FAIL: Mark("✗", "fail", "fail"),
    Outcome.ENV_FAIL: Mark("◇", "env-fail", "env-fail"),
    Outcome.NOT_RUN: Mark("○", "not run", "not-run"),
    Outcome.SKIPPED: Mark("»", "skipped", "skipped"),
    Outcome.UNSUPPORTED: Mark("–", "unsupported", "unsupported"),
    Outcome.PASS: Mark("✓", "pass", "pass"),
}

NEWS = {
    News.REGRESSED: Mark("▼", "regressed", "regressed"),
    News.NEW: Mark("●", "new", "new"),
    News.CHANGED: Mark("Δ", "changed", "changed"),
    News.FIXED: Mark("▲", "fixed", "fixed"),
    News.KNOWN: Mark("≡", "known", "known"),
    News.NONE: Mark("", "", "none"),
}

NEWS_MEANING = {
    News.REGRESSED: "worse than in the last run or in an earlier one, and no known issue explains it",
    News.NEW: "red, never seen better, and no known issue explains it",
    News.CHANGED: (
        "ends as before, or is still explained, but behaves differently: cause, devices, dtypes, keys, warnings"
    ),
    News.FIXED: "better than in the run it is compared with",
    News.KNOWN: "a reviewed known issue explains it",
}

SUBSTITUTE = Mark("⇄", "substitute", "substitute")
FLAKY = Mark("~", "flaky", "flaky")


def duration(seconds: float) -> str:
    """``0.82 s``, ``41 s``, ``3 min 4 s``, ``2 h 5 min``."""
    if not math.isfinite(seconds) or seconds < 0:
        return "?"
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def size(number: int) -> str:
    """Bytes in binary units: ``412 MiB``, ``1.5 GiB``; nothing for zero, which means not measured."""
    if number <= 0:
        return ""
    value = float(number)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 999.5 or unit == "GiB":
            return f"{value:.0f} {unit}" if unit == "B" or value >= 9.95 else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")


def number(value: float) -> str:
    """A measurement: whole numbers as such, others with three digits."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e6:
        return str(int(value))
    return f"{value:.3g}"


def share(value: float | None) -> str:
    """A share of a limit as a percentage: ``3 %``, ``<1 %``, ``1,200 %``; nothing for None."""
    if value is None:
        return ""
    if not math.isfinite(value):
        return "∞ %" if value > 0 else "nan"
    percent = 100 * value
    if percent == 0:
        return "0 %"
    return "<1 %" if percent < 1 else f"{percent:,.0f} %" if percent < 1e6 else ">1e6 %"


def age(span: timedelta) -> str:
    """``3 days``, ``5 hours``, ``20 min``: the larger unit only."""
    seconds = max(span.total_seconds(), 0)
    for length, one, many in ((86400, "day", "days"), (3600, "hour", "hours")):
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {one if count == 1 else many}"
    return f"{int(seconds // 60)} min"


def moment(when: datetime) -> str:
    """A time in UTC, to the minute; a time without a zone is taken as UTC."""
    return f"{utc(when):%Y-%m-%d %H:%M} UTC"


def utc(when: datetime) -> datetime:
    """The same moment in UTC, without zone information, so that times can be subtracted."""
    offset = when.utcoffset() or timedelta()
    return when.replace(tzinfo=None) - offset


def plural(count: int, one: str, many: str = "") -> str:
    """``1 cell``, ``12 cells``, ``1,200 cells``."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


@lru_cache(maxsize=1 << 11)
def passage(text: str, limit: int) -> str:
    """A longer text, fit to be shown. Most tracebacks and logs are those of many cells: each is cleaned once."""
    return clean(text, limit=limit)


@lru_cache(maxsize=1 << 13)
def line(text: str, limit: int = 240) -> str:
    """A longer text on one line. Warnings and messages of exceptions, too, are those of many cells."""
    return one_line(text, limit)


def value(thing: object, limit: int = 120) -> str:
    """A fact of a fingerprint on one line."""
    if isinstance(thing, float):
        return number(thing)
    if isinstance(thing, bool) or thing is None:
        return {True: "yes", False: "no", None: "none"}[thing]
    if isinstance(thing, (list, tuple)) and all(isinstance(item, (str, int, float)) for item in thing):
        return one_line(", ".join(map(str, thing)) or "none", limit)
    return one_line(str(thing), limit)
