"""Making text from elsewhere safe to store and to show. Pure, and linear in the length of the text.

Whatever a scenario, a library or an installer wrote is untrusted: it can hold terminal escapes,
characters that turn the reading direction round, a megabyte of noise, or somebody's token.
:func:`clean` is what everything captured goes through before it is stored; it is idempotent, so that
a report may apply it once more. Escaping for HTML or Markdown is the renderer's business.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

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

#: No replacement may be something that an earlier pattern takes for a secret: redacting twice must change nothing.
_SECRETS = (
    (re.compile(r"\b(hf_(?:(?:oauth|jwt|app)_)?|npm_|api_org_|shp(?:at|ss|ca|pa)_)[A-Za-z0-9]{16,}"), r"\1***"),
    (re.compile(r"\b(gh[pousr]|glpat|github_pat|gsk|glsa|dop_v1)([_-])[A-Za-z0-9_-]{16,}"), r"\1\2***"),
    (re.compile(r"\b(sk|xox[abeprs]|xapp|pypi|nvapi)-[A-Za-z0-9_-]{16,}"), r"\1-***"),
    (re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"), r"\1***"),
    (re.compile(r"\b(AIza|ya29\.|SG\.)[A-Za-z0-9_.-]{30,}"), r"\1***"),
    (re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), "***"),
    (re.compile(r"\b(hooks\.slack\.com/[a-z]{1,20}/|discord(?:app)?\.com/api/webhooks/)[\w/-]{10,}"), r"\1***"),
    # Signed addresses, as those that the Hub redirects to: Azure, Amazon, Google, CloudFront.
    (
        re.compile(
            r"(?i)([?&;](?:sig|signature|policy|x-(?:amz|goog)-(?:signature|credential|security-token))=)"
            r"""[^\s&;"'<>*]{8,}"""
        ),
        r"\1***",
    ),
    (re.compile(r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{12,}"), r"\1\2***"),
    (
        re.compile(
            r"""(?i)\b(authorization["']?\s{0,4}[:=]\s{0,4}["']?(?:(?:bearer|basic|token|digest|negotiate)\s+)?)"""
            r"""(?!(?:bearer|basic|token|digest|negotiate)\s)[^\s"',*]{8,}"""
        ),
        r"\1***",
    ),
    (re.compile(r"(?i)\b((?:set-)?cookie: )[^\s=*]{1,100}=[^\n*]{4,4000}"), r"\1***"),
    (re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]{0,20}://)[^\s/\"<>]{0,512}@"), r"\1***@"),
    (re.compile(r"(?<![\w.:/@-])[\w.-]{1,64}:[^\s/:@*]{1,256}(@[\w.-]{1,256}:\d{2,5})\b"), r"***\1"),
    (
        re.compile(
            r"(?i)\b([a-z0-9_-]{0,40}(?:token|secret|credentials?|(?:api|access|account|secret|private)[_-]?key))"
            r"""(["']?\s{0,4}[=:]\s{0,4}["']?)[A-Za-z0-9._~+/-]{12,}"""
        ),
        r"\1\2***",
    ),
    (
        re.compile(
            r"(?i)\b([a-z0-9_-]{0,40}(?:passw(?:or)?d|passphrase))"
            r"""(["']?\s{0,4}[=:]\s{0,4}["']?)[^\s"'<>&*]{8,}"""
        ),
        r"\1\2***",
    ),
    (
        re.compile(r"-----BEGIN ([A-Z ]{0,30}PRIVATE KEY)-----[^-]{0,20000}-----END [A-Z ]{0,30}PRIVATE KEY-----"),
        r"-----\1 ***-----",
    ),
)
#: Where the probe cut something, before anything was stripped from it.
_LEFT_OUT = re.compile(r"(\n\[\.\.\. \d{1,20} (?:bytes|characters) left out \.\.\.\]\n)")
_FIRST_WORD = re.compile(r"\A[^ \n\t]+")

_LEAST = 8
"""Characters of a value that is looked for; a shorter one would be found in ordinary words."""

#: Names of environment variables that say that the value is a secret, unless they say that it is where one lies.
_SAYS_SECRET = re.compile(
    r"(?i)(?:.*_)?(?:TOKEN|SECRETS?|PASSWORD|PASSWD|PASSPHRASE|PAT|CREDENTIALS?|COOKIE"
    r"|(?:[A-Z0-9]+_?)?(?:API|ACCESS|PRIVATE|SECRET|ACCOUNT|SIGNING|ENCRYPTION)_?KEYS?)(?:_.*)?"
)
_SAYS_PLACE = re.compile(r"(?i).*_(?:FILE|PATH|DIR|URL|URI|HOST|NAME|TYPE|ID)")

_HOMES = re.compile(
    r"(?<![\w.~-])(?:/home/|/Users/|/var/home/|[A-Za-z]:\\Users\\)[^\s/\\:'\"<>|]{1,64}|(?<![\w./~-])/root(?=/)"
)
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


@lru_cache(maxsize=1)
def _own_home() -> str:
    return str(Path.home())


def mask(text: str, values: Iterable[str]) -> str:
    """Without these values (``***``), line by line where they have several; none of less than eight characters."""
    pattern = _any_of(frozenset(values))
    return pattern.sub("***", text) if pattern else text


@lru_cache(maxsize=64)
def _any_of(values: frozenset[str]) -> re.Pattern[str] | None:
    lines = {line.strip() for value in values for line in value.splitlines()}
    found = sorted((line for line in lines if len(line) >= _LEAST), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, found))) if found else None


def secrets(environ: Mapping[str, str]) -> frozenset[str]:
    """The values of the variables whose names say that they are secrets, such as ``HF_TOKEN``."""
    return frozenset(
        value for name, value in environ.items() if _SAYS_SECRET.fullmatch(name) and not _SAYS_PLACE.fullmatch(name)
    )


@lru_cache(maxsize=1)
def _own_secrets() -> frozenset[str]:
    return secrets(os.environ)


def _without_halves(text: str) -> str:
    """Without the words beside a cut (``…``): half a secret is one that no pattern knows."""
    pieces = _LEFT_OUT.split(text)  # text, cut, text, cut, ..., text
    for index in range(0, len(pieces) - 2, 2):
        before = pieces[index]
        end = max(before.rfind(space) for space in " \n\t") + 1
        pieces[index] = before if end == len(before) else before[:end] + "…"
        pieces[index + 2] = _FIRST_WORD.sub("…", pieces[index + 2])
    return "".join(pieces)


def host_pattern(node: str) -> re.Pattern[str] | None:
    """What finds a machine's name, with and without its domain; nothing for one that may be an ordinary word."""
    names = [name for name in (node, node.partition(".")[0]) if _is_distinctive(name)]
    shown = "|".join(map(re.escape, dict.fromkeys(names)))
    return re.compile(rf"(?i)(?<![\w.-])(?:{shown})(?![\w-])") if shown else None


def _is_distinctive(name: str) -> bool:
    ordinary = name.lower().startswith("localhost") or not re.search(r"[A-Za-z]", name)
    return len(name) >= 5 and not ordinary and re.search(r"[\d.-]", name) is not None


@lru_cache(maxsize=1)
def _own_host() -> re.Pattern[str] | None:
    return host_pattern(platform.node())


def redact(text: str, *, home: str | None = None) -> str:
    """Without tokens, passwords, credentials in URLs and the machine's name; home directories become ``~``.

    The values of this process's own secrets (:func:`secrets`) go, whatever they look like.
    """
    text = mask(_without_halves(text), _own_secrets())
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    own = _own_home() if home is None else home
    if len(own) > 1:
        text = re.sub(rf"(?<![\w.~-]){re.escape(own)}(?![\w.-])", "~", text)
    host = _own_host()
    return _HOMES.sub("~", host.sub("<host>", text) if host else text)


def short_paths(text: str) -> str:
    """Paths as everyone has them: those of an environment, of scenarios and of temporary directories shortened.

    ``/any/where/lib/python3.11/site-packages/torch/nn.py`` becomes ``torch/nn.py``. Where things lay on the
    machine that made a run tells a reader of the report nothing, and sometimes too much.
    """
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
