"""The releases of a package that the configured indexes have, with what an index tells of each: yanked, uploaded.

uv resolves, but lists no releases; ``pip index versions`` tells neither of yanked releases nor of dates, and pip
need not be there. unearth is what PDM finds packages with: the simple API as JSON (PEP 691) and HTML (PEP 503),
local indexes, and directories of files, with pip's names for all of them.
"""

from __future__ import annotations

import contextlib
import logging
import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion
from packaging.version import Version as Number

from compatmatrix.errors import SelectionError
from compatmatrix.indexes import NO_INDEX, uv_environment
from compatmatrix.redaction import redact
from compatmatrix.results import EnvReason
from compatmatrix.text import one_line
from compatmatrix.uvtool import failure

if TYPE_CHECKING:
    from unearth import Package, PackageFinder
    from unearth.fetchers import Fetcher

PYPI = "https://pypi.org/simple"
# What it would log is told by an exception here, or is no trouble: an index that lacks a package.
logging.getLogger("unearth").addHandler(logging.NullHandler())
#: An index answers 404 for what it does not have; these say that it did not tell.
_REFUSALS = (401, 403, 407, 408, 429)


@dataclass(frozen=True, kw_only=True)
class Release:
    """One release. ``yanked`` is the makers' reason, ``"no reason given"`` at least; ``None`` where it is not yanked.

    ``uploaded`` is when its first file came, in an index that tells (PEP 700).
    """

    version: str
    yanked: str | None = None
    uploaded: datetime | None = None


def find(package: str, specifier: str, *, environ: Mapping[str, str], prereleases: bool = False) -> tuple[Release, ...]:
    """The releases within a specifier such as ``>=4.36,<5``, oldest first, yanked ones among them.

    ``environ`` is the caller's environment, to which pip's configuration is added here, as for uv. Raises
    :class:`SelectionError` for what is not a specifier, or has no release, and :class:`EnvironmentFailure` where an
    index cannot be reached: a list with holes would be taken for the whole.
    """
    try:
        wanted = SpecifierSet(specifier)
    except InvalidSpecifier as error:
        raise SelectionError(
            f"{specifier!r} is not a range of versions", hint="write one such as '>=4.36,<5', in quotes"
        ) from error
    by_number: dict[Number, list[Package]] = {}
    for found in _packages(package, uv_environment(environ)):
        with contextlib.suppress(InvalidVersion):
            by_number.setdefault(Number(found.version or ""), []).append(found)
    chosen = [
        _release(number, by_number[number])
        for number in sorted(by_number)
        if wanted.contains(number, prereleases=True) and (prereleases or not number.is_prerelease)
    ]
    if not by_number:
        raise SelectionError(
            f"the index has no package {package}",
            hint="look at the name, and at the indexes pip or uv is configured with",
        )
    if not chosen:
        raise SelectionError(
            f"the index has no release of {package} in {specifier!r}; the newest is {max(by_number)}",
            hint="widen the range, or look at the indexes that pip or uv is configured with",
        )
    return tuple(chosen)


def latest_of_minor(listed: Sequence[Release]) -> tuple[Release, ...]:
    """The last release of each minor version (``4.46.3`` of 4.46), in their order.

    One that was yanked, or is a pre-release, stands for its minor version only where there is no other.
    """
    kept: dict[tuple[int, ...], Release] = {}
    for release in sorted(public(listed), key=_preference):
        kept[Number(release.version).release[:2]] = release
    return tuple(sorted(kept.values(), key=lambda release: Number(release.version)))


def _preference(release: Release) -> tuple[bool, bool, Number]:
    number = Number(release.version)
    return release.yanked is None, not number.is_prerelease, number


def one(package: str, wanted: str, *, environ: Mapping[str, str]) -> Release:
    """The release of that number; raises as :func:`number` and :func:`find` do."""
    return public(find(package, f"=={number(wanted)}", environ=environ, prereleases=True))[-1]


def number(text: str) -> str:
    """A release number as indexes spell it; raises :class:`SelectionError` for what is none."""
    try:
        return str(Number(text))
    except InvalidVersion as error:
        raise SelectionError(f"{text!r} is not a release number", hint="write one such as '4.46.3'") from error


def public(listed: Sequence[Release]) -> list[Release]:
    """Without builds such as ``2.13.0+cpu`` where ``2.13.0`` is there too: a requirement of one takes the other."""
    names = {release.version for release in listed}
    return [
        release
        for release in listed
        if not Number(release.version).local or Number(release.version).public not in names
    ]


def _release(number: Number, files: list[Package]) -> Release:
    # A release is yanked when all its files are (PEP 592 yanks files).
    reasons = [each.link.yank_reason for each in files]
    yanked = None
    if all(reason is not None for reason in reasons):
        texts = [reason for reason in reasons if isinstance(reason, str) and reason.strip()]
        yanked = one_line(texts[0]) if texts else "no reason given"
    times = [each.link.upload_time for each in files if each.link.upload_time]
    return Release(version=str(number), yanked=yanked, uploaded=min(times, default=None))


def _packages(package: str, environ: Mapping[str, str]) -> list[Package]:
    with _finder(environ) as (finder, what):
        try:
            return list(finder.find_all_packages(package, allow_yanked=True))
        except what as error:
            raise failure(
                EnvReason.UNREACHABLE, f"the releases of {package} could not be listed: {redact(one_line(str(error)))}"
            ) from error


@contextlib.contextmanager
def _finder(environ: Mapping[str, str]) -> Iterator[tuple[PackageFinder, tuple[type[Exception], ...]]]:
    """unearth with what uv is configured with, and the exceptions that say that an index did not answer."""
    # Not at the top: it takes a fifth of a second that other commands need not pay.
    import httpx2
    from unearth import PackageFinder
    from unearth.fetchers.sync import PyPIClient

    def told(response: httpx2.Response) -> None:
        # unearth takes an index that refuses or breaks for an empty one.
        if response.status_code >= 500 or response.status_code in _REFUSALS:
            raise httpx2.HTTPError(f"{response.url} answered {response.status_code} {response.reason_phrase}")

    indexes, links = _sources(environ)
    if not indexes and not links:
        raise failure(EnvReason.UNREACHABLE, "no index may be used, and no directory of packages is configured")
    certificate, proxy = environ.get("SSL_CERT_FILE"), environ.get("ALL_PROXY")
    trusted = environ.get("UV_INSECURE_HOST", "").split()
    with PyPIClient(
        trusted_hosts=trusted,
        verify=ssl.create_default_context(cafile=certificate) if certificate else True,
        cert=environ.get("SSL_CLIENT_CERT") or None,
        # A proxy of this process's own environment is found, with its exceptions; one from pip's files is not.
        proxy=proxy if proxy != os.environ.get("ALL_PROXY") else None,
        timeout=float(environ.get("UV_HTTP_TIMEOUT") or 30),
        follow_redirects=True,
        event_hooks={"response": [told]},
    ) as client:
        finder = PackageFinder(
            cast("Fetcher", client),
            index_urls=indexes,
            find_links=links,
            trusted_hosts=trusted,
            ignore_compatibility=True,
        )
        yield finder, (httpx2.HTTPError, OSError, ValueError)


def _sources(environ: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Indexes and directories from uv's variables, each of which has an older name."""
    links = [each.strip() for each in environ.get("UV_FIND_LINKS", "").split(",") if each.strip()]
    if environ.get(NO_INDEX):
        return [], links
    default = environ.get("UV_DEFAULT_INDEX") or environ.get("UV_INDEX_URL") or PYPI
    more = f"{environ.get('UV_INDEX', '')} {environ.get('UV_EXTRA_INDEX_URL', '')}".split()
    # uv lets an index have a name: `name=https://…`.
    named = [each.partition("=")[2] if "://" in each.partition("=")[2] else each for each in [default, *more]]
    return list(dict.fromkeys(named)), links
