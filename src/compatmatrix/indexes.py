"""Where packages come from: pip's configuration, handed on to uv, which does not read it.

Someone whose pip works behind a mirror, a local directory of wheels or a company certificate expects
the same of this tool. The files, their order and the names follow pip's own rules
(https://pip.pypa.io/en/stable/topics/configuration/). They are read here rather than asked of
``pip config list`` because pip need not be installed beside this program (uv makes environments
without it) and takes a third of a second to answer.
"""

from __future__ import annotations

import configparser
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

#: pip's option -> uv's variable, separator of a list (None: one value), variables of the user that outrank it.
_HANDED_ON: tuple[tuple[str, str, str | None, tuple[str, ...]], ...] = (
    ("find-links", "UV_FIND_LINKS", ",", ()),
    ("index-url", "UV_DEFAULT_INDEX", None, ("UV_INDEX_URL",)),
    ("extra-index-url", "UV_INDEX", " ", ("UV_EXTRA_INDEX_URL",)),
    ("trusted-host", "UV_INSECURE_HOST", " ", ()),
    ("timeout", "UV_HTTP_TIMEOUT", None, ()),
    ("cert", "SSL_CERT_FILE", None, ()),
    ("client-cert", "SSL_CLIENT_CERT", None, ()),
    ("proxy", "ALL_PROXY", None, ("HTTPS_PROXY", "https_proxy", "all_proxy")),
)
#: uv reads no variable for this; where it is set, ``uvtool`` gives uv the option ``--no-index``.
NO_INDEX = "UV_NO_INDEX"
_FALSE = frozenset({"", "0", "false", "no", "off", "f", "n"})


def uv_environment(environ: Mapping[str, str], *, files: Iterable[Path] | None = None) -> dict[str, str]:
    """``environ`` with uv's variables added for what pip is configured with.

    What the user set for uv wins. With extra indexes, ``UV_INDEX_STRATEGY`` becomes
    ``unsafe-best-match``: pip takes the best version from all indexes alike, whereas uv would stop at
    the first index that knows a name. ``files`` replaces the configuration files that pip would read.
    """
    options = pip_options(environ, files=files)
    result = dict(environ)
    for option, variable, separator, outranked_by in _HANDED_ON:
        value = options.get(option, "").strip()
        if not value or any(environ.get(name) for name in (variable, *outranked_by)):
            continue
        result[variable] = value if separator is None else separator.join(value.split())
    if options.get("no-index", "").strip().lower() not in _FALSE:
        result.setdefault(NO_INDEX, "1")
    if result.get("UV_INDEX") or result.get("UV_EXTRA_INDEX_URL"):
        result.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    return result


def pip_options(environ: Mapping[str, str], *, files: Iterable[Path] | None = None) -> dict[str, str]:
    """What ``pip install`` would be configured with: option name (``find-links``) -> text.

    Later sources replace earlier ones: section ``global`` of every file, then ``install``, then the
    variables ``PIP_*``. A file that cannot be read is left out: pip itself complains about it.
    """
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}}
    for file in config_files(environ) if files is None else files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(file, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError, OSError):
            continue
        for name, section in sections.items():
            if parser.has_section(name):
                section.update({_option(key): value for key, value in parser.items(name) if value})
    variables = {
        _option(name[4:]): value
        for name, value in environ.items()
        if name.startswith("PIP_") and len(name) > 4 and value
    }
    return sections["global"] | sections["install"] | variables


def _option(name: str) -> str:
    name = name.lower().replace("_", "-").removeprefix("--")
    return "timeout" if name == "default-timeout" else name


def config_files(environ: Mapping[str, str]) -> list[Path]:
    """pip's configuration files on this system, the weakest first; they need not exist."""
    chosen = environ.get("PIP_CONFIG_FILE", "")
    if chosen == os.devnull:
        return []
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "win32":
        machine = [Path(environ.get("PROGRAMDATA", r"C:\ProgramData"), "pip", "pip.ini")]
        user = [home / "pip" / "pip.ini", Path(environ.get("APPDATA", home), "pip", "pip.ini")]
        site = Path(sys.prefix, "pip.ini")
    else:
        shared = environ.get("XDG_CONFIG_DIRS") or "/etc/xdg"
        machine = [Path(folder, "pip", "pip.conf") for folder in shared.split(os.pathsep)] + [Path("/etc/pip.conf")]
        config = Path(environ.get("XDG_CONFIG_HOME") or home / ".config")
        if sys.platform == "darwin":
            machine.insert(0, Path("/Library/Application Support/pip/pip.conf"))
            application = home / "Library" / "Application Support"
            config = application if (application / "pip").is_dir() else config
        user = [home / ".pip" / "pip.conf", config / "pip" / "pip.conf"]
        site = Path(sys.prefix, "pip.conf")
    return [*machine, *user, site, *([Path(chosen)] if chosen else [])]
