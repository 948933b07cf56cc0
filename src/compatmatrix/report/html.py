"""What every page shares: jinja2 is here, and nowhere else.

Each page is one self-contained file: its style and its script are inlined and named by their hashes
in a content security policy that allows nothing else. All text is escaped by autoescape.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources

import jinja2
from markupsafe import Markup

from compatmatrix.report.addresses import fragment


def templates() -> jinja2.Environment:
    """The templates of this package; a name that is not given is an error, never an empty place."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("compatmatrix.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "sort_keys": True}
    environment.filters["fragment"] = fragment
    environment.filters["breakable"] = _breakable
    return environment


def inlined(css: str, js: str = "") -> dict[str, str]:
    """What a page inlines, and the policy that allows this and nothing else: ``css``, ``js``, ``csp``."""
    policy = ["default-src 'none'", f"style-src {_source(css)}", "base-uri 'none'", "form-action 'none'"]
    if js:
        policy.insert(2, f"script-src {_source(js)}")
    # They are this project's own files, without user text; the hashes keep everything else from running.
    return {"css": Markup(css), "js": Markup(js), "csp": "; ".join(policy)}  # noqa: S704


def asset(name: str) -> str:
    """The text of a file beside the templates."""
    return (resources.files("compatmatrix.report") / "templates" / name).read_text(encoding="utf-8")


def _breakable(text: str) -> Markup:
    """A label that may break after its commas."""
    return Markup("<wbr>").join(Markup.escape(part) for part in re.split("(?<=,)", text))


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
