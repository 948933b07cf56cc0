"""Texts in matrix.yaml: release numbers, ranges, ids, commits. Each says in words what it must be like."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion
from packaging.version import Version as Release
from pydantic import AfterValidator, BeforeValidator, Field

NEWEST = "newest"


def _specifier(text: str) -> str:
    try:
        SpecifierSet(text)
    except InvalidSpecifier as error:
        raise ValueError(f"{text!r} is not a version range such as '>=4.40,<5'") from error
    return text


def _requirement(text: str) -> str:
    try:
        Requirement(f"package{text}")
    except InvalidRequirement as error:
        raise ValueError(f"{text!r} is not a requirement such as '==2.13.0' or '>=1.0,<2'") from error
    return text


def _release(text: str) -> str:
    if text != NEWEST:
        try:
            Release(text)
        except InvalidVersion as error:
            raise ValueError(f"{text!r} is not a release number such as '4.46.3', nor '{NEWEST}'") from error
    return text


def _like(pattern: str, words: str) -> Callable[[str], str]:
    """What a text must be like, in words: a pattern tells nobody what to write."""

    def fits(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text!r} is not {words}")
        return text

    return fits


def _text(value: object) -> object:
    # YAML reads 4.50 as a number and would lose the zero: only text can be trusted.
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise ValueError(f"write it in quotes: {value!r} was read as a number, which loses zeros")
    return value


Specifier = Annotated[str, AfterValidator(_specifier)]
RequirementText = Annotated[str, BeforeValidator(_text), AfterValidator(_requirement)]
ReleaseText = Annotated[str, BeforeValidator(_text), AfterValidator(_release)]
_ID, _COMMIT, _MINOR = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$", r"^[0-9a-f]{40}$", r"^3\.\d+$"
Id = Annotated[
    str,
    BeforeValidator(_text),
    AfterValidator(_like(_ID, "an id: letters, digits and . _ + -, a letter or digit first")),
    Field(json_schema_extra={"pattern": _ID}),
]
Commit = Annotated[
    str,
    BeforeValidator(_text),
    AfterValidator(_like(_COMMIT, "a whole commit: 40 hexadecimal digits in lower case")),
    Field(json_schema_extra={"pattern": _COMMIT}),
]
Minor = Annotated[
    str,
    BeforeValidator(_text),
    AfterValidator(_like(_MINOR, "a version of Python such as '3.11'")),
    Field(json_schema_extra={"pattern": _MINOR}),
]
Why = Annotated[str, Field(min_length=3)]
