"""Making text from elsewhere safe to store and to show. Pure, and linear in the length of the text.

Whatever a scenario, a library or an installer wrote is untrusted: it can hold terminal escapes,
characters that turn the reading direction round, a megabyte of noise, or somebody's token.
:func:`clean` is what everything captured goes through before it is stored; it is idempotent, so that
a report may apply it once more. Escaping for HTML or Markdown is the renderer's business.
"""

from __future__ import annotations

import re
from functools import lru_cache

from compatmatrix.redaction import redact

LIMIT = 200_000
"""Characters kept of one captured text."""

_SHORT = 400
"""Characters of a text that is worth remembering: reasons, names and signatures are, tracebacks are not."""

_ANSI = re.compile(
    r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]"  # CSI: colours, cursor
    r"|\x1b[\]PX^_][^\x07\x1b\x9c]{0,4096}(?:\x07|\x1b\\|\x9c)"  # OSC, DCS, ...: titles, links
    r"|\x1b[ -/]{0,8}[0-~]"  # the short ones
    r"|\x9b[0-?]{0,64}[ -/]{0,8}[@-~]"
)
_OVERWRITTEN = re.compile(r"[^\n\r]*\r(?=[^\n\r])")
_BIDI = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_INVISIBLE = "\u00ad\u200b\u2060\u2028\u2029\ufeff\ufff9\ufffa\ufffb"
_VISIBLE = {ord(character): f"\\u{ord(character):04x}" for character in _BIDI + _INVISIBLE}
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
_HARMFUL = {**_VISIBLE, **_CONTROL, **dict.fromkeys(range(0xD800, 0xE000), "\ufffd")}
_TAGS = re.compile("[\U000e0000-\U000e007f]")

_INSTALLED = re.compile(r"(?<![\w.~/<-])(?:[A-Za-z]:)?(?:[/\\][\w.+@~-]{1,255}){1,40}[/\\](?:site|dist)-packages[/\\]")
_STANDARD = re.compile(r"(?<![\w.~/<-])(?:/[\w.+@~-]{1,255}){1,40}/(?=python3\.\d+/)")
_OURS = re.compile(
    r"(?<![\w.~/<-])(?:/[\w.+@~-]{1,255}){1,40}?/(?=(?:scenarios|compatprobe|compatmatrix|virtualcuda)/[\w/]+\.py)"
)
_TEMPORARY = re.compile(
    r"(?<![\w.~/<-])(?:/private)?(?:/tmp|/var/tmp|/dev/shm|/var/folders/\w+/\w+/T)/[^\s/'\":;,<>|]{1,255}"
)


def strip_controls(text: str) -> str:
    """Without terminal escapes; control, direction and invisible characters spelled out (``\\u202e``).

    A carriage return wipes what stands before it on its line, as a terminal would show it, so that a
    progress bar costs one line.
    """
    text = text.replace("\r\n", "\n")
    if "\x1b" in text or "\x9b" in text:
        text = _ANSI.sub("", text)
    if "\r" in text:
        text = _OVERWRITTEN.sub("", text).replace("\r", "")
    if text.isascii() and text.isprintable():
        return text
    return _TAGS.sub("\ufffd", text.translate(_HARMFUL))


def short_paths(text: str) -> str:
    """Paths as everyone has them: those of an environment, of scenarios and of temporary directories shortened.

    ``/any/where/lib/python3.11/site-packages/torch/nn.py`` becomes ``torch/nn.py``. Where things lay on the
    machine that made a run tells a reader of the report nothing, and sometimes too much.
    """
    if "/" not in text and "\\" not in text:
        return text
    text = _STANDARD.sub("", _INSTALLED.sub("", text))
    return _TEMPORARY.sub("<tmp>", _OURS.sub("", text))


def cut(text: str, limit: int, *, head: float = 0.4) -> str:
    """At most ``limit`` characters of the text, its beginning and its end, and a line saying what is gone.

    ``head`` is the part kept from the beginning: an exception tells most at its end.
    """
    if len(text) <= limit:
        return text
    note = f"\n… {len(text):,} characters, cut to {limit:,} …\n"
    room = max(limit - len(note), 0)
    first = int(room * head)
    tail = text[len(text) - (room - first) :] if room > first else ""
    return (text[:first] + note + tail)[: max(limit, 0)]


def clean(text: str, *, limit: int = LIMIT, home: str | None = None) -> str:
    """Untrusted text, fit to be stored: no escapes, no secrets, no paths of this machine, not too long."""
    return (_clean_again if len(text) <= _SHORT else _clean)(text, limit, home)


def _clean(text: str, limit: int, home: str | None) -> str:
    # A first, generous cut bounds the work; the exact one comes last, so that no secret is halved at its edge.
    return cut(redact(short_paths(strip_controls(cut(text, 4 * limit))), home=home), limit)


#: A report says the same short things tens of thousands of times: each is cleaned once.
_clean_again = lru_cache(maxsize=1 << 14)(_clean)


def one_line(text: str, limit: int = 240) -> str:
    """The same on a single line, for a table or a heading; the end is cut off."""
    joined = " ".join(clean(text, limit=max(4 * limit, 2000)).split())
    return joined if len(joined) <= limit else joined[: limit - 1].rstrip() + "…"
