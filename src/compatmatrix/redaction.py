"""What must not be stored or shown: secrets, the machine's name, home directories. Pure, but for what this process has.

Whatever is stored has gone through :func:`redact`; doing it twice changes nothing.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

#: Words of which one must be there, in small letters, for the pattern to find anything; the pattern; what replaces it.
#: No replacement may be something that an earlier pattern takes for a secret: redacting twice must change nothing.
_SECRETS: tuple[tuple[tuple[str, ...], re.Pattern[str], str], ...] = (
    (
        ("hf_", "npm_", "api_org_", "shpat_", "shpss_", "shpca_", "shppa_"),
        re.compile(r"\b(hf_(?:(?:oauth|jwt|app)_)?|npm_|api_org_|shp(?:at|ss|ca|pa)_)[A-Za-z0-9]{16,}"),
        r"\1***",
    ),
    (
        ("ghp", "gho", "ghu", "ghs", "ghr", "glpat", "github_pat", "gsk", "glsa", "dop_v1"),
        re.compile(r"\b(gh[pousr]|glpat|github_pat|gsk|glsa|dop_v1)([_-])[A-Za-z0-9_-]{16,}"),
        r"\1\2***",
    ),
    (
        ("sk-", "xox", "xapp-", "pypi-", "nvapi-"),
        re.compile(r"\b(sk|xox[abeprs]|xapp|pypi|nvapi)-[A-Za-z0-9_-]{16,}"),
        r"\1-***",
    ),
    (("akia", "asia"), re.compile(r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"), r"\1***"),
    (("aiza", "ya29.", "sg."), re.compile(r"\b(AIza|ya29\.|SG\.)[A-Za-z0-9_.-]{30,}"), r"\1***"),
    (("eyj",), re.compile(r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"), "***"),
    (
        ("hooks.slack.com/", "/api/webhooks/"),
        re.compile(r"\b(hooks\.slack\.com/[a-z]{1,20}/|discord(?:app)?\.com/api/webhooks/)[\w/-]{10,}"),
        r"\1***",
    ),
    # Signed addresses, as those that the Hub redirects to: Azure, Amazon, Google, CloudFront.
    (
        ("sig=", "signature=", "policy=", "credential=", "security-token="),
        re.compile(
            r"(?i)([?&;](?:sig|signature|policy|x-(?:amz|goog)-(?:signature|credential|security-token))=)"
            r"""[^\s&;"'<>*]{8,}"""
        ),
        r"\1***",
    ),
    (("bearer", "basic"), re.compile(r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{12,}"), r"\1\2***"),
    (
        ("authorization",),
        re.compile(
            r"""(?i)\b(authorization["']?\s{0,4}[:=]\s{0,4}["']?(?:(?:bearer|basic|token|digest|negotiate)\s+)?)"""
            r"""(?!(?:bearer|basic|token|digest|negotiate)\s)[^\s"',*]{8,}"""
        ),
        r"\1***",
    ),
    (("cookie: ",), re.compile(r"(?i)\b((?:set-)?cookie: )[^\s=*]{1,100}=[^\n*]{4,4000}"), r"\1***"),
    (("@",), re.compile(r"(\b[A-Za-z][A-Za-z0-9+.-]{0,20}://)[^\s/\"<>]{0,512}@"), r"\1***@"),
    (("@",), re.compile(r"(?<![\w.:/@-])[\w.-]{1,64}:[^\s/:@*]{1,256}(@[\w.-]{1,256}:\d{2,5})\b"), r"***\1"),
    (
        ("token", "secret", "credential", "key"),
        re.compile(
            r"(?i)\b([a-z0-9_-]{0,40}(?:token|secret|credentials?|(?:api|access|account|secret|private)[_-]?key))"
            r"""(["']?\s{0,4}[=:]\s{0,4}["']?)[A-Za-z0-9._~+/-]{12,}"""
        ),
        r"\1\2***",
    ),
    (
        ("passwd", "password", "passphrase"),
        re.compile(
            r"(?i)\b([a-z0-9_-]{0,40}(?:passw(?:or)?d|passphrase))"
            r"""(["']?\s{0,4}[=:]\s{0,4}["']?)[^\s"'<>&*]{8,}"""
        ),
        r"\1\2***",
    ),
    (
        ("-----begin ",),
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
_HOMES_HOLD = ("/home/", "/Users/", "\\Users\\", "/root/")


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
    # Nearly no text holds any of them, and looking for a word takes a hundredth of what a pattern takes. Beyond ASCII
    # there are letters that a pattern takes for others (the long s, the dotless i).
    small = text.lower() if text.isascii() else None
    for words, pattern, replacement in _SECRETS:
        if small is None or any(word in small for word in words):
            text = pattern.sub(replacement, text)
    own = _own_home() if home is None else home
    if len(own) > 1 and own in text:
        text = re.sub(rf"(?<![\w.~-]){re.escape(own)}(?![\w.-])", "~", text)
    host = _own_host()
    text = host.sub("<host>", text) if host else text
    return _HOMES.sub("~", text) if any(word in text for word in _HOMES_HOLD) else text
